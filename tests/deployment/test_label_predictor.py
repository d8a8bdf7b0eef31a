"""Predictions of tasks with labels, by folders and by their exported files."""

import ast
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import tasks
from tfdistill.data.labelled.examples import SpanExample
from tfdistill.data.text_tokenizer import BUNDLED
from tfdistill.deployment.bundle import LABELS_FILE
from tfdistill.deployment.file_metadata import NAME, add_metadata, read_metadata
from tfdistill.deployment.flat_model import unpack
from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.model_card import write_model_card
from tfdistill.deployment.saved_model import write_archive
from tfdistill.deployment.tflite import DYNAMIC_INT8, convert, export_tflite_files
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.answer_rules import AnswerRules
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.spans import SpanHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError
from tfdistill.tasks.answers import normalize

LENGTH = 16
RULES = AnswerRules(may_abstain=True, doc_stride=3, max_answer_length=4)
CLASSES, TAGS = ("bad", "good", "ödd"), ("O", "B-SHIP", "I-SHIP", "B-SEA", "I-SEA")
HEADS = {
    "classes": lambda config: ClassificationHead(config, CLASSES, "mean"),
    "number": lambda config: ClassificationHead(config, ()),
    "tags": lambda config: TokenHead(config, TAGS),
    "spans": lambda config: SpanHead(config, answer_rules=RULES),
}
FILES = {"student.tflite": None, "student_int8.tflite": DYNAMIC_INT8}
TEXTS = ["the whale sank the ship", "a night", "the captain saw men and the old boat in the storm"]
OTHERS = ["the sea", None, "a whale"]


@pytest.fixture(scope="module")
def folders(make_model, add_noise, tokenizer, tmp_path_factory):
    """dict of names to (model, folder of the model, which holds its exported files, too)."""
    made, config = {}, make_model(num_hidden_layers=1).config
    for name, head in HEADS.items():
        model = Model(Encoder(config), head(config), seed=None)
        add_noise(model, 0.3, np.random.default_rng(1))
        folder = tmp_path_factory.mktemp(name)
        save_model(model, folder)
        tokenizer.save(folder, "bert", LENGTH)
        export_tflite_files(model, {folder / file: kind for file, kind in FILES.items()}, LENGTH)
        made[name] = model, folder
    return made


@pytest.fixture(scope="module")
def converted(folders, tmp_path_factory):
    """The tagger's int8 file as the converter alone writes it."""
    folder = tmp_path_factory.mktemp("converted")
    write_archive(folders["tags"][0], folder / "saved", batch=1, lengths=(LENGTH,), columns=1)
    path = folder / "plain.tflite"
    path.write_bytes(convert(str(folder / "saved"), DYNAMIC_INT8, (LENGTH,)))
    return path


@pytest.mark.parametrize("name", HEADS)
def test_files_say_their_task_and_score_as_the_model(folders, name):
    model, folder = folders[name]
    ids = np.random.default_rng(2).integers(5, 120, (3, LENGTH)).astype(np.int32)
    mask = (np.arange(LENGTH) < np.array([[16], [5], [1]])).astype(np.int32)
    types = (np.arange(LENGTH) > 3).astype(np.int32) * mask
    rows = {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types}
    expected = model(rows)["logits"].numpy()
    for file, tolerance in (("student.tflite", 1e-4), ("student_int8.tflite", 0.15)):
        lite = LiteModel(folder / file)
        answers = {"may_abstain": True, "doc_stride": 3, "max_answer_length": 4}
        assert lite.metadata == ({"answers": answers} if name == "spans" else {}) | {
            "task": model.head.task,
            "labels": list(model.head.labels),
            "length": LENGTH,
            "pooling": {"classes": "mean", "number": "pooler"}.get(name, ""),
        }
        for row, wanted in enumerate(expected):
            out = lite.run({key: values[row] for key, values in rows.items()})
            np.testing.assert_allclose(
                out["logits"], wanted, rtol=0, atol=tolerance * np.abs(expected).max()
            )
            if model.head.labels:
                shares = np.exp(out["logits"] - out["logits"].max(axis=-1, keepdims=True))
                shares /= shares.sum(axis=-1, keepdims=True)
                np.testing.assert_allclose(out["probabilities"], shares, atol=1e-5)
            else:
                assert out.keys() == {"logits"}


@pytest.mark.parametrize("name", HEADS)
def test_folder_and_file_predict_the_same(folders, name):
    _, folder = folders[name]
    others = {"tags": None, "spans": TEXTS[::-1]}.get(name, OTHERS)
    of_folder, of_file = (
        LabelPredictor.open(path).predict(TEXTS, others)
        for path in (folder, folder / "student.tflite")
    )
    assert len(of_folder) == len(TEXTS)
    for ours, theirs in zip(of_folder, of_file, strict=True):
        assert _rounded(ours) == _rounded(theirs)
    assert LabelPredictor.open(folder).predict([]) == []


def test_what_is_no_text(folders):
    classes, tags = (LabelPredictor.open(folders[name][1]) for name in ("classes", "tags"))
    assert len(classes.predict(np.array(["a", "b"]), ("c", None))) == 2
    for texts, others, message in (
        (["a", float("nan")], None, "nan is not text"),
        (["a"], [7], "7 is not text"),
        ([("a", "b")], None, "is not text"),
        (["half of \ud83d"], None, r"'half of .ud83d' is not text"),
        (["a", "b"], ["c"], "2 texts and 1 second ones"),
    ):
        with pytest.raises(UserError, match=message):
            classes.predict(texts, others)
    with pytest.raises(UserError, match="is not text or a list of words"):
        tags.predict([("a", None)])
    with pytest.raises(UserError, match="is not text or a list of words"):
        tags.predict([("a", "\ud83d")])


def test_a_file_with_the_tokenizer_of_another(folders):
    for file in ("student.tflite", "student_int8.tflite"):
        with pytest.raises(UserError, match=f"30522 tokens, but .*{file} has 120: their"):
            LabelPredictor.open(folders["number"][1] / file, BUNDLED)


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return pytest.approx(value, abs=1e-3) if isinstance(value, float) else value


def test_classes_are_the_softmax_of_the_model(folders, tokenizer):
    model, folder = folders["classes"]
    (found,) = LabelPredictor.open(folder).predict(["the whale"])
    ids, mask = tokenizer.encode("the whale", 4)
    logits = model({"input_ids": [ids], "attention_mask": [mask]})["logits"].numpy()[0]
    shares = np.exp(logits) / np.exp(logits).sum()
    assert list(found["probabilities"]) == list(CLASSES)
    np.testing.assert_allclose(list(found["probabilities"].values()), shares, atol=1e-5)
    assert found["label"] == CLASSES[shares.argmax()] and "cut" not in found
    (long,) = LabelPredictor.open(folder).predict(["whale " * 40])
    assert long["cut"]


def test_entities_are_parts_of_the_text(folders):
    """Tags are read at the first piece of each word, and repaired."""
    _, folder = folders["tags"]
    model = LabelPredictor.open(folder)
    scores = {"ship": 1, "sea": 4, "storm": 4}  # B-SHIP; I-SEA begins an entity

    def run(batch):
        tokens = [[model._tokenizer.id_to_token(i) for i in row] for row in batch["input_ids"]]
        best = [[scores.get(token, 0) for token in row] for row in tokens]
        return np.eye(len(TAGS), dtype=np.float32)[best] * 20

    fixed = LabelPredictor(
        run, model._tokenizer, {"task": model.task, "labels": TAGS, "length": LENGTH}
    )
    (found, nothing) = fixed.predict(["The ship, a sea storm.", ""])
    assert [(each["type"], each["text"]) for each in found["entities"]] == [
        ("SHIP", "ship"),
        ("SEA", "sea storm"),
    ]
    first = found["entities"][0]
    assert "The ship, a sea storm."[first["start"] : first["end"]] == "ship"
    assert nothing == {"entities": []}
    # Words as they are: their tag is that of their first piece, whatever is inside.
    words = ["The", "ship's", "a", "sea", "-storm"]
    (of_words, again) = fixed.predict([words, "The ship"])
    assert of_words["tags"] == ["O", "B-SHIP", "O", "B-SEA", "O"]
    entities = [(each["type"], each["text"]) for each in of_words["entities"]]
    assert entities == [("SHIP", "ship's"), ("SEA", "sea")]
    for each in of_words["entities"]:
        assert " ".join(words)[each["start"] : each["end"]] == each["text"]
    assert [each["text"] for each in again["entities"]] == ["ship"] and "tags" not in again


def test_an_answer_is_found_in_any_window(folders):
    _, folder = folders["spans"]
    model = LabelPredictor.open(folder)
    wanted = {"old": 0, "boat": 1}

    def run(batch):
        logits = np.full((*batch["input_ids"].shape, 2), -5, np.float32)
        for place, token in np.ndenumerate(batch["input_ids"]):
            side = wanted.get(model._tokenizer.id_to_token(token))
            if side is not None:
                logits[(*place, side)] = 9
        return logits

    facts = {"task": model.task, "labels": (), "length": LENGTH}
    context = "the sea and the whale and the storm and the ship and the old boat in the night"
    (found,) = LabelPredictor(run, model._tokenizer, facts).predict(["the boat"], [context])
    assert found["answer"] == "old boat" == context[found["start"] : found["end"]]
    assert found["probability"] > 0.99
    short = LabelPredictor(run, model._tokenizer, facts)
    short.rules = short.rules.changed(max_answer_length=1)
    assert short.predict(["the boat"], [context])[0]["answer"] in ("old", "boat")
    (none,) = LabelPredictor(run, model._tokenizer, facts).predict(["the boat"], ["a whale"])
    assert none["answer"] in ("", "a", "whale", "a whale")


@pytest.fixture(scope="module")
def long_questions():
    """(questions, contexts of up to several windows)."""
    generator, words = np.random.default_rng(4), TEXTS[2].split()
    contexts = [" ".join(generator.choice(words, size)) for size in (1, 1, 2, 40, 61) * 5]
    return [" ".join(generator.choice(words, 3)) for _ in contexts], contexts


@pytest.mark.parametrize("file", ["", "student.tflite"])
@pytest.mark.parametrize("may_abstain", [True, False])
def test_answers_are_those_of_the_evaluation(folders, tokenizer, long_questions, file, may_abstain):
    model, folder = folders["spans"]
    rules = dataclasses.replace(RULES, may_abstain=may_abstain)
    task = tasks.get("question_answering").of_model(rules)
    examples = [SpanExample("", *pair) for pair in zip(*long_questions, strict=True)]
    source = task.encode(examples, tokenizer, LENGTH)
    assert len(source) > 2 * len(examples)
    scored = task.evaluate(task.scorer(model), task.evaluation_batches(source), source)
    predictor = LabelPredictor.open(folder / file)
    assert predictor.rules == RULES  # which the folder and the file hold
    predictor.rules = rules
    found = [each["answer"] for each in predictor.predict(*long_questions)]
    assert [normalize(answer) for answer in found] == scored.predictions.tolist()
    assert may_abstain or all(found)


def test_no_answer_is_predicted_as_it_is_measured(folders, tokenizer, long_questions):
    table = np.random.default_rng(5).normal(size=(tokenizer.vocab_size, 2)).astype(np.float32)
    table[tokenizer.cls_id] = 1.0  # both scores of no answer
    task = tasks.get("question_answering").of_model(RULES)
    examples = [SpanExample("", *pair) for pair in zip(*long_questions, strict=True)]
    source = task.encode(examples, tokenizer, LENGTH)

    def score(batch):
        tensors = {name: tf.convert_to_tensor(array) for name, array in batch.items()}
        return task.measure(tf.convert_to_tensor(table[batch["input_ids"]]), tensors)

    scored = task.evaluate(score, task.evaluation_batches(source), source)
    facts = {"task": task.name, "labels": (), "length": LENGTH, "answers": RULES.values()}
    predictor = LabelPredictor(lambda batch: table[batch["input_ids"]], tokenizer, facts)
    found = [each["answer"] for each in predictor.predict(*long_questions)]
    assert [normalize(answer) for answer in found] == scored.predictions.tolist()
    assert 0 < found.count("") < len(found)


@pytest.mark.parametrize("rules", [{"stride": 3}, {"doc_stride": -1}, {"may_abstain": 1}, [1]])
def test_damaged_rules_of_answers(rules):
    with pytest.raises(UserError, match="tfdistill_answers of config.json, or .* must have"):
        AnswerRules.of(rules)


def test_a_model_that_says_no_rules_answers_every_question():
    rules = AnswerRules.of(None)
    assert not rules.may_abstain and rules.max_answer_length == 30
    assert [rules.stride(length) for length in (512, 128, 64)] == [32, 32, 16]


def test_wrong_input_is_refused(folders, converted, bert, tmp_path):
    with pytest.raises(UserError, match="context is empty"):
        LabelPredictor.open(folders["spans"][1]).predict(["who"])
    with pytest.raises(UserError, match="takes a list of texts"):
        LabelPredictor.open(folders["tags"][1]).predict("the whale")
    with pytest.raises(UserError, match="give no second one"):
        LabelPredictor.open(folders["tags"][1]).predict(["a"], ["b"])
    with pytest.raises(UserError, match="does not say what its task is"):
        LabelPredictor.open(converted)
    save_model(bert, tmp_path)
    with pytest.raises(UserError, match="has no head for classes, a number, tags or answers"):
        LabelPredictor.open(tmp_path)


def test_metadata_is_added_beside_that_of_the_converter(converted, folders):
    assert read_metadata(converted) == {}
    content = (folders["tags"][1] / "student.tflite").read_bytes()
    model = unpack(content)
    names = [entry.name for entry in model.metadata]
    assert NAME.encode() in names and len(names) > 1
    assert add_metadata(content, {"a": "é"}) != content


def test_a_table_that_is_only_looked_up_has_a_scale_for_each_row(folders, converted):
    """The converter's has one for all, which is far too coarse for the rows of rare tokens."""
    model, folder = folders["tags"]
    ids = np.random.default_rng(3).integers(5, 120, (8, LENGTH)).astype(np.int32)
    expected = model({"input_ids": ids})["logits"].numpy()

    def error(path):
        lite = LiteModel(path)
        rows = [{"input_ids": row, "attention_mask": np.ones(LENGTH)} for row in ids]
        return np.abs(np.stack([lite.logits(row) for row in rows]) - expected).mean()

    assert error(folder / "student_int8.tflite") < error(converted)


def test_the_example_of_the_model_card_runs(folders, monkeypatch, capsys):
    model, folder = folders["classes"]
    facts = dict(agreement=1.0, positions=9, latency_ms=1.0, bytes=1000)
    task = tasks.get("text_classification")
    facts |= {f"{key}_{of}": 0.5 for key in ("loss", task.primary.key) for of in ("keras", "lite")}
    write_model_card(task, folder / "model_card.md", model.config, {"student.tflite": facts})
    (folder / LABELS_FILE).write_text("\n".join(CLASSES) + "\n", "utf-8")
    card = (folder / "model_card.md").read_text("utf-8")
    assert "| output | `probabilities` | float32 | (1, 3) | their softmax |" in card
    monkeypatch.chdir(folder)
    exec(card.partition("```python\n")[2].partition("```")[0], {})
    shares = ast.literal_eval(capsys.readouterr().out)
    (found,) = LabelPredictor.open(folder).predict(["The whale sank the ship."])
    assert shares == pytest.approx(found["probabilities"], abs=1e-4)
