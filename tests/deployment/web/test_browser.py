"""The page in Chromium at phone size: its answers are Python's, and each fault is one line."""

import dataclasses
import functools
import json
import os
import shutil

import numpy as np
import pytest

from tfdistill import tasks
from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.predictor import Predictor
from tfdistill.deployment.tflite import export_tflite
from tfdistill.deployment.web_page import write_page
from tfdistill.models.configs.bilstm import BiLstmConfig
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.final_states import FinalStatesHead
from tfdistill.models.model import Model

pytestmark = pytest.mark.web

LENGTH = 24
MASKED = [
    "the whale [MASK] the ship.",
    "[MASK]",
    "a [MASK] sank [MASK] in the storm and the old [MASK] saw the boat.",
]
SENTENCES = ["The whale, sank the Ship!", "a\u200b storm \u00e9 and men", "night"]
TABS = "return document.querySelectorAll('[role=tab]').length"
ASK = """
    const student = await (await import("./page.js")).opened;
    const answers = await import("./answers.js");
"""


@pytest.fixture(scope="module")
def pages(models, tokenizer, npm_runtime, tmp_path_factory):
    """dict of names, such as "masked" and "masked_int8", to pages."""
    found, parent = {}, tmp_path_factory.mktemp("pages")
    for name, folder in models.items():
        for file in sorted(folder.glob("*.tflite")):
            key = name + file.stem.removeprefix("student")
            found[key] = parent / key
            write_page(file, tokenizer, found[key], name, npm_runtime)
    return found


@pytest.fixture
def open_page(browser, pages, serve):
    """A function that opens a page and returns the browser, and its line of state."""
    with serve(pages["masked"].parent) as address:

        def open_one(name):
            browser.open(f"{address}{name}/")
            return browser, browser.state()

        yield open_one


def rows(count):
    """Random rows of tokens, of all lengths, with places of masks."""
    generator = np.random.default_rng(4)
    for _ in range(count):
        tokens = int(generator.integers(3, LENGTH + 1))
        ids = [2, *generator.integers(5, 120, tokens - 2).tolist(), 3]
        yield {"ids": ids, "types": [0] * tokens}, int(generator.integers(1, tokens - 1))


def page_logits(browser, count=40):
    """Logits of rows, each in the shortest length and in the longest: float32 arrays."""
    given = [[row, place] for row, place in rows(count)]
    return np.array(
        browser.run(f"""
            {ASK}
            const found = [];
            for (const [row, place] of {json.dumps(given)})
              for (const length of [undefined, {LENGTH}]) {{
                const {{ logits }} = await student.run(row, {{masked_positions: place}}, length);
                found.push([...logits]);
              }}
            return found;
        """),
        np.float32,
    )


def lite_logits(path, count=40):
    model, found = LiteModel(path), []
    for row, place in rows(count):
        ids = np.zeros(LENGTH, np.int32)
        ids[: len(row["ids"])] = row["ids"]
        inputs = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int32)}
        for length in (None, LENGTH):
            found.append(model.logits(inputs | {"masked_positions": [place]}, length)[0])
    return np.array(found)


def test_logits_are_those_of_python(models, open_page):
    exact = lite_logits(models["masked"] / "student.tflite")
    browser, _ = open_page("masked")
    assert np.abs(page_logits(browser) - exact).max() < 1e-4
    native = lite_logits(models["masked"] / "student_int8.tflite")
    browser, _ = open_page("masked_int8")
    found = page_logits(browser)
    error, usual = (np.abs(each - exact).mean() for each in (found, native))
    assert error < 1.1 * usual
    agree, usual = ((each.argmax(-1) == exact.argmax(-1)).mean() for each in (found, native))
    assert agree > usual - 0.06


@pytest.mark.parametrize("text", MASKED)
def test_masked_words(models, open_page, text):
    browser, state = open_page("masked")
    assert "ms · 8 tokens in a row of 8" in state  # of the text that the page begins with
    found = browser.run(f"{ASK} return await answers.fillMasks(student, {json.dumps(text)}, 5)")
    path = models["masked"] / "student.tflite"
    expected = Predictor.open(path, tasks.get("masked_lm")).predict(text, top_k=5)
    assert [[each["name"] for each in mask] for mask in found["masks"]] == [
        [name for name, _ in mask] for mask in expected
    ]
    shares = [[each["share"] for each in mask] for mask in found["masks"]]
    np.testing.assert_allclose(shares, [[s for _, s in mask] for mask in expected], atol=1e-4)


def assert_same_classes(browser, path):
    """The page's classes of texts and pairs are those of a file in Python."""
    predictor = LabelPredictor.open(path)
    for text, second in [(SENTENCES[0], None), (SENTENCES[1], "[MASK] the sea"), ("a", "b")]:
        (expected,) = predictor.predict([text], [second])
        asked = json.dumps([text, second or ""])
        found = browser.run(f"{ASK} return await answers.classify(student, ...{asked})")
        shares = {each["name"]: each["share"] for each in found["classes"]}
        assert shares == pytest.approx(expected["probabilities"], abs=1e-4)
        assert found["classes"][0]["name"] == expected["label"]


def test_classes_of_texts_and_pairs(models, open_page):
    browser, _ = open_page("classes")
    assert_same_classes(browser, models["classes"] / "student.tflite")


@pytest.mark.parametrize("kind", ["lstm", "static"])
def test_students_without_attention(kind, browser, serve, tokenizer, npm_runtime, tmp_path):
    """An LSTM, whose steps are a loop, and a table of vectors; both compare the texts of a pair."""
    rows = tokenizer.vocab_size
    if kind == "lstm":
        shape = BiLstmConfig(
            vocab_size=rows,
            hidden_size=16,
            intermediate_size=12,
            embedding_size=8,
            compares_pairs=True,
        )
        head = FinalStatesHead
    else:
        shape = named_config("H-16", "static", vocab_size=rows).for_tokenizer(tokenizer)
        head = functools.partial(ClassificationHead, pooling="compare", dropout=0.0)
    shape = dataclasses.replace(shape, initializer_range=0.4)
    path = tmp_path / "student.tflite"
    export_tflite(
        Model(Encoder(shape), head(shape, ("bad", "good", "ödd")), seed=1), path, length=(8, LENGTH)
    )
    tokenizer.save(tmp_path, "bert", LENGTH)
    write_page(path, tokenizer, tmp_path / "pages" / kind, kind, npm_runtime)
    with serve(tmp_path / "pages") as address:
        browser.open(f"{address}{kind}/")
        browser.state()
        assert_same_classes(browser, path)


def test_numbers(models, open_page):
    (expected,) = LabelPredictor.open(models["number"] / "student.tflite").predict(["a whale"])
    browser, _ = open_page("number")
    found = browser.run(f"{ASK} return (await answers.classify(student, 'a whale')).value")
    assert found == pytest.approx(expected["value"], abs=1e-4)


def test_tags(models, open_page):
    predictor = LabelPredictor.open(models["tags"] / "student.tflite")
    browser, _ = open_page("tags")
    for text in SENTENCES:
        (expected,) = predictor.predict([text])
        asked = f"{ASK} return (await answers.tagWords(student, {json.dumps(text)})).entities"
        found = [{"probability": each.pop("share"), **each} for each in browser.run(asked)]
        for mine, theirs in zip(found, expected["entities"], strict=True):
            assert mine == theirs | {"probability": pytest.approx(theirs["probability"], abs=1e-4)}


@pytest.mark.parametrize(
    "tags", ["O B-A I-A I-B O", "I-A I-A B-A I-B", "NOUN NOUN B I I-A", "B-A-B I-A-B O-X I", "O"]
)
def test_entities_are_read_as_in_python(open_page, tags):
    from tfdistill.tasks.entities import find_entities, repair

    words = [{"tag": t, "share": 1, "start": i, "end": i} for i, t in enumerate(tags.split())]
    browser, _ = open_page("tags")
    found = browser.run(f"{ASK} return answers.entitiesOf('', {json.dumps(words)})")
    found = [(each["type"], each["start"], each["end"]) for each in found]
    assert found == find_entities(repair(tags.split()))


def test_a_reader_types(open_page):
    browser, _ = open_page("masked")
    shown = """
        const field = document.querySelector(".text");
        field.value = TEXT;
        field.dispatchEvent(new Event("input"));
        await new Promise((done) => setTimeout(done, 700));
        return [document.querySelector(".state").innerText,
                document.querySelectorAll(".answer li").length];
    """
    for text, (line, items) in {
        "the [MASK] and a [MASK]": ("7 tokens in a row of 8", 10),
        "[MASK] " + "whale " * 30: ("The text has 33 tokens, the model takes 24: shorten it.", 0),
        "no gap": ("Write [MASK] for the word to predict.", 0),
        " ": ("Type a text.", 0),
    }.items():
        state, count = browser.run(shown.replace("TEXT", json.dumps(text)))
        assert state.endswith(line) and count == items
    browser.run("document.querySelector('.mask').click()")
    assert browser.run("return document.querySelector('.text').value") == " [MASK]"


def test_it_fits_a_phone_by_day_and_night(open_page, tmp_path):
    browser, _ = open_page("tags")
    wide = """
        const field = document.querySelector(".text");
        field.value = "the whale sank the ship ".repeat(3) + "w".repeat(90);
        field.dispatchEvent(new Event("input"));
        await new Promise((done) => setTimeout(done, 700));
        return document.documentElement.scrollWidth;
    """
    assert browser.run(wide) <= 360
    color = "return getComputedStyle(document.body).backgroundColor"
    colors = set()
    for scheme in ("light", "dark"):
        browser.screenshot(tmp_path / f"{scheme}.png", scheme)
        colors.add(browser.run(color))
    assert len(colors) == 2


def test_memory_does_not_grow(open_page):
    browser, _ = open_page("classes")
    before, after = browser.run(f"""
        {ASK}
        const memory = () => student.runtime.liteRtWasm.HEAPU8.length;
        await answers.classify(student, "a whale");
        const before = memory();
        for (let i = 0; i < 2000; i++) await answers.classify(student, "a whale");
        return [before, memory()];
    """)
    assert before == after


def test_offline_and_new_versions(browser, serve, models, pages, tokenizer, npm_runtime, tmp_path):
    page = shutil.copytree(pages["masked"], tmp_path / "page")
    with serve(page) as address:
        browser.open(address)
        assert " ms · " in browser.state()
        assert browser.run("return document.querySelector('.offline').hidden") is False
    browser.open(address)  # the server has gone
    assert " ms · " in browser.state()
    assert browser.run("return document.title") == "masked"
    assert browser.run(TABS) == 0
    write_page(models["tags"] / "student.tflite", tokenizer, page, "tags", npm_runtime)
    port = int(address.rstrip("/").rpartition(":")[2])
    with serve(page, port):
        browser.open(address)
        wait = f"for (let i = 0; i < 1200 && !(await (async () => {{ {TABS} }})()); i++)"
        for _ in range(3):  # the page loads itself anew meanwhile
            try:
                browser.run(f"{wait} await new Promise((done) => setTimeout(done, 50))")
                break
            except RuntimeError:
                pass
        assert " ms · " in browser.state()
    browser.open(address)
    assert " ms · " in browser.state()
    assert browser.run(TABS) == 2
    assert browser.run("return (await caches.keys()).length") == 1


def damage(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


FOLDER = "models/masked"
MODEL = f"{FOLDER}/student.tflite is missing, damaged or not the file of the model"
WORDS = f"{FOLDER}/vocab.txt is missing, damaged or not the vocabulary of this model"
SETTINGS = f"{FOLDER}/page.json is missing or damaged"
STUDENT, VOCABULARY, PAGE = (f"{FOLDER}/{n}" for n in ("student.tflite", "vocab.txt", "page.json"))
FAULTS = {
    "corrupted": (lambda page: damage(page / STUDENT), MODEL),
    "cut off": (lambda page: os.truncate(page / STUDENT, 9000), MODEL),
    "foreign": (lambda page: (page / STUDENT).write_text("<html>"), MODEL),
    "vocabulary": (lambda page: (page / VOCABULARY).write_text("[PAD]\n[UNK]\nwhale\n"), WORDS),
    "gone": (lambda page: (page / VOCABULARY).unlink(), WORDS),
    "runtime": (lambda page: shutil.rmtree(page / "runtime" / "wasm"), "the runtime cannot be"),
    "no settings": (lambda page: (page / PAGE).unlink(), SETTINGS),
    "settings": (lambda page: os.truncate(page / PAGE, 90), SETTINGS),
    "no list": (lambda page: (page / "models.json").unlink(), "models.json is missing or damaged"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line(browser, serve, pages, fault, tmp_path):
    page = shutil.copytree(pages["masked"], tmp_path / "page")
    harm, words = FAULTS[fault]
    harm(page)
    with serve(page) as address:
        browser.open(address)
        state = browser.state()
    assert words in state and "\n" not in state
    assert browser.run("return document.querySelector('.state').className") == "state wrong"


def test_a_damaged_copy_is_fetched_again(browser, serve, pages, tmp_path):
    page = shutil.copytree(pages["masked"], tmp_path / "page")
    whole = (page / STUDENT).read_bytes()
    damage(page / STUDENT)
    with serve(page) as address:
        browser.open(address)
        assert "missing, damaged" in browser.state()
        (page / STUDENT).write_bytes(whole)
        browser.open(address)
        assert " ms · " in browser.state()
