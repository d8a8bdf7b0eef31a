"""A page of several models in Chromium at phone size: a tab for each, with Python's answers."""

import json
import os
import shutil
import time

import pytest

from tfdistill import tasks
from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.deployment.predictor import Predictor
from tfdistill.deployment.web_page import write_page

pytestmark = pytest.mark.web

NAMES = "masked", "classes", "tags"
LABELS = ["Masked words", "Classes", "Tags"]
TEXTS = {
    "masked": "the whale [MASK] the ship.",
    "classes": "The whale sank the Ship!",
    "tags": "the captain saw a whale and the boat in a storm",
}
TOO_LONG = "[MASK] " + "whale " * 30
CHOOSE = "document.querySelectorAll('[role=tab]')[NUMBER].click();"
PANEL = "const panel = document.querySelector('[role=tabpanel]:not([hidden])');"
ASK = f"""
    {PANEL}
    const field = panel.querySelector(".text");
    field.value = TEXT;
    field.dispatchEvent(new Event("input"));
    await new Promise((done) => setTimeout(done, 700));
    const texts = (name) => [...panel.querySelectorAll(name)].map((each) => each.textContent);
    return {{ state: texts(".state")[0], items: texts("li span"), shares: texts("li data"),
              marks: texts("mark") }};
"""
ALL_OFFLINE = f"""
    {PANEL}
    const text = () => panel.querySelector(".offline").innerText;
    for (let i = 0; i < 1200 && !text().startsWith("All"); i++)
      await new Promise((done) => setTimeout(done, 50));
    return text();
"""
OPEN = """
    const tabs = [...document.querySelectorAll("[role=tab]")];
    const panels = [...document.querySelectorAll("[role=tabpanel]")];
    const open = tabs.findIndex((tab) => tab.getAttribute("aria-selected") === "true");
    if (panels.some((panel, i) => panel.hidden !== (i !== open))) throw Error("panels");
    if (tabs.some((tab, i) => tab.tabIndex !== (i === open ? 0 : -1))) throw Error("tabs");
    return [open, tabs.indexOf(document.activeElement)];
"""


@pytest.fixture(scope="module")
def page(models, tokenizer, npm_runtime, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tabs") / "page"
    for name in reversed(NAMES):
        write_page(models[name] / "student.tflite", tokenizer, folder, name, npm_runtime)
    return folder


@pytest.fixture
def own_page(page, tmp_path):
    """A copy of the page, to be changed."""
    return shutil.copytree(page, tmp_path / "page")


def choose(browser, number):
    """Opens a tab by a click: the line of state."""
    browser.run(CHOOSE.replace("NUMBER", str(number)))
    return browser.state()


def ask(browser, text):
    return browser.run(ASK.replace("TEXT", json.dumps(text)))


def percents(texts):
    return [float(text.removesuffix(" %").removeprefix("< ")) for text in texts]


def test_each_tab_has_the_answers_of_python(browser, serve, page, models):
    masked = Predictor.open(models["masked"] / "student.tflite", tasks.get("masked_lm"))
    classes, tags = (LabelPredictor.open(models[n] / "student.tflite") for n in NAMES[1:])
    with serve(page) as address:
        browser.open(address)
        assert "8 tokens in a row of 8" in browser.state()  # of the text that the tab begins with
        found = ask(browser, TEXTS["masked"])
        (expected,) = masked.predict(TEXTS["masked"], top_k=5)
        assert found["items"] == [token for token, _ in expected]
        assert percents(found["shares"]) == pytest.approx([100 * s for _, s in expected], abs=0.1)

        assert choose(browser, 1) == "Type a text."
        found = ask(browser, TEXTS["classes"])
        (expected,) = classes.predict([TEXTS["classes"]])
        shares = dict(zip(found["items"], percents(found["shares"]), strict=True))
        hundredth = {name: 100 * share for name, share in expected["probabilities"].items()}
        assert shares == pytest.approx(hundredth, abs=0.1)
        assert found["items"][0] == expected["label"] and " ms · " in found["state"]

        choose(browser, 2)
        found = ask(browser, TEXTS["tags"])
        (expected,) = tags.predict([TEXTS["tags"]])
        assert expected["entities"]
        assert found["marks"] == [
            f"{each['text']}{each['type']} {100 * each['probability']:.1f} %"
            for each in expected["entities"]
        ]
        assert browser.run("return document.title") == "tags"

        choose(browser, 0)  # as it was left
        again = "return document.querySelector('[role=tabpanel] .text').value"
        assert browser.run(again) == TEXTS["masked"]


def test_a_model_is_fetched_when_its_tab_is_opened(browser, serve, page):
    fetched = """
        const names = performance.getEntriesByType("resource").map(({ name }) => name.split("/"));
        return names.filter((parts) => parts.at(-1).endsWith(".tflite")).map((p) => p.at(-2));
    """
    with serve(page) as address:
        browser.open(address)
        browser.state()
        assert browser.run(fetched) == ["masked"]
        choose(browser, 2)
        choose(browser, 0)
        choose(browser, 2)
        assert browser.run(fetched) == ["masked", "tags"]


def test_keys_and_what_screen_readers_get(browser, serve, page):
    with serve(page) as address:
        browser.open(address)
        browser.state()
        tree = browser.tree()
        tabs = [[name, selected] for role, name, selected in tree if role == "tab"]
        assert tabs == [[label, label == LABELS[0]] for label in LABELS]
        roles = [[role, name] for role, name, _ in tree if role in ("tabpanel", "tablist")]
        assert roles == [["tablist", "Models"], ["tabpanel", LABELS[0]]]
        browser.press("Tab")
        assert browser.run(OPEN) == [0, 0]
        for key, number in {"ArrowRight": 1, "End": 2, "ArrowLeft": 1, "Home": 0}.items():
            browser.press(key)
            assert browser.run(OPEN) == [number, number]
        browser.press("ArrowLeft")
        assert browser.run(OPEN) == [2, 2]
        browser.press("ArrowRight")
        assert browser.run(OPEN) == [0, 0]
        back = "new KeyboardEvent('keydown', { key: 'ArrowLeft', altKey: true, cancelable: true })"
        assert browser.run(f"return document.activeElement.dispatchEvent({back})")  # as it would be
        assert browser.run(OPEN) == [0, 0]
        browser.press("Tab")  # into the panel
        assert browser.run("return document.activeElement.className") == "text"


def test_a_tab_has_an_address(browser, serve, page):
    with serve(page) as address:
        browser.open(f"{address}#classes")
        assert browser.state() == "Type a text." and browser.run(OPEN)[0] == 1
        choose(browser, 2)
        assert browser.run("return location.hash") == "#tags"
        browser.run("location.hash = 'classes'; await new Promise((done) => setTimeout(done, 200))")
        assert browser.state() == "Type a text." and browser.run(OPEN)[0] == 1
        browser.open(f"{address}#gone")
        browser.state()
        assert browser.run(OPEN)[0] == 0


def test_a_too_long_text_is_one_line_in_each_tab(browser, serve, page):
    with serve(page) as address:
        browser.open(address)
        browser.state()
        for number in range(len(NAMES)):
            choose(browser, number)
            found = ask(browser, TOO_LONG)
            tokens = 33 if number == 0 else 38  # [MASK] is a word in texts to be labelled
            line = f"The text has {tokens} tokens, the model takes 24: shorten it."
            assert found["state"] == line and not found["items"] + found["marks"]


def spoil(page, name, file):
    path = page / "models" / name / file
    if file == "vocab.txt":
        path.write_text("[PAD]\n[UNK]\nwhale\n")
    else:
        os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("file", ["student.tflite", "vocab.txt", "page.json"])
def test_a_fault_is_one_line_in_its_tab(browser, serve, own_page, page, file):
    for number, name in enumerate(NAMES):
        spoil(own_page, name, file)
        with serve(own_page) as address:
            browser.open(address)
            browser.state()
            line = choose(browser, number)
            assert line.startswith(f"models/{name}/{file} is missing") and "\n" not in line
            other = (number + 1) % len(NAMES)
            assert "missing" not in choose(browser, other)  # works on
            shutil.copy(page / "models" / name / file, own_page / "models" / name / file)
            assert "missing" not in choose(browser, number)  # the tab tries again


def test_all_tabs_work_offline_after_the_first_visit(browser, serve, page):
    """Their models are fetched once, and after the first one."""
    asked = []
    with serve(page, asked=asked) as address:
        browser.open(address)
        assert " ms · " in browser.state()
        assert browser.run(ALL_OFFLINE) == "All tabs work offline now."
        large = [path for path in asked if path.endswith((".tflite", ".txt", ".wasm"))]
        order = [path.split("/")[2] if path.startswith("/models/") else "run" for path in large]
        assert sorted(order[:3]) == ["masked", "masked", "run"]
        assert order[3:] == ["classes", "classes", "tags", "tags"]
    browser.open(address)  # the server has gone
    browser.go_offline()
    assert " ms · " in browser.state()
    assert choose(browser, 1) == choose(browser, 2) == "Type a text."


def test_a_tab_whose_model_is_not_here_yet(browser, serve, own_page):
    (own_page / "models" / "tags" / "student.tflite").unlink()
    asked = []
    with serve(own_page, asked=asked) as address:
        browser.open(address)
        browser.state()
        for _ in range(600):
            if "/models/tags/student.tflite" in asked:
                break
            time.sleep(0.1)
        offline = f"{PANEL} return panel.querySelector('.offline').innerText"
        assert browser.run(offline) == "This tab works offline now."
    browser.open(address)  # the server has gone
    browser.go_offline()
    assert choose(browser, 1) == "Type a text."
    line = "student.tflite is not here yet, and there is no connection: try again with one"
    assert choose(browser, 2) == f"models/tags/{line}"


def test_tabs_of_one_task_have_titles_and_fit_a_phone(
    browser, serve, own_page, models, tokenizer, npm_runtime, tmp_path
):
    titles = "ödd <b>Reviews", "w" * 60, "a long name " * 3
    for title in titles:
        write_page(models["classes"] / "student.tflite", tokenizer, own_page, title, npm_runtime)
    with serve(own_page) as address:
        browser.open(address)
        browser.state()
        shown = browser.run(
            "return [...document.querySelectorAll('[role=tab]')].map((tab) => tab.textContent)"
        )
        assert shown[0] == LABELS[0] and shown[-1] == LABELS[-1]
        assert sorted(shown[1:-1]) == sorted(["classes", *titles])
        for number in range(len(shown)):
            assert "missing" not in choose(browser, number)
            assert browser.run("return document.documentElement.scrollWidth") <= 360
        heights = "return [...document.querySelectorAll('[role=tab]')].map((t) => t.offsetHeight)"
        assert min(browser.run(heights)) >= 44
