"""Tasks with labels: measures of known predictions, whatever the batches; floors; reports."""

import functools
import math

import numpy as np
import pytest

from tfdistill import tasks
from tfdistill.data.labelled.examples import SpanExample, TaggedExample, TextExample
from tfdistill.data.labelled.sources import encode_splits
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.heads.answer_rules import AnswerRules
from tfdistill.tasks.metrics import of_sums
from tfdistill.training.paired_bootstrap import paired_errors

pytestmark = pytest.mark.tf218
WORDS = "the a whale ship sea man sank saw and of in storm who what where ? . , new york mary"
LENGTH = 32


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(ord("b"), ord("z") + 1)]
    pieces = [f"##{letter}" for letter in ["a", *letters]]
    (folder / "vocab.txt").write_text("\n".join([*special, *WORDS.split(), *letters, *pieces]))
    return load_tokenizer(str(folder))


def encoded(task, tokenizer, length=LENGTH, **splits):
    return encode_splits(functools.partial(task.encode, tokenizer=tokenizer, length=length), splits)


def measures(task, logits_of):
    """A score function: the task's measure of made-up logits."""
    import tensorflow as tf

    def score(batch):
        tensors = {name: tf.constant(array) for name, array in batch.items()}
        return task.measure(tf.constant(logits_of(batch), tf.float32), tensors)

    return score


def evaluated(task, source, logits_of):
    batches = task.evaluation_batches(source)
    return task.evaluate(measures(task, logits_of), batches, source)


def with_errors(task, sums):
    return paired_errors(sums, [("student", "teacher")], of_sums(task.compared))


# -- classes


@pytest.fixture(scope="module")
def texts():
    """60 texts of 1 to 30 words, every third a pair; two classes, one text without a label."""
    generator = np.random.default_rng(0)
    vocabulary = WORDS.split()

    def text():
        return " ".join(generator.choice(vocabulary, generator.integers(1, 30)))

    labels = generator.choice(["no", "yes"], 60, p=[0.7, 0.3])
    return [
        TextExample(text(), text() if i % 3 == 0 else None, None if i == 7 else str(label))
        for i, label in enumerate(labels)
    ]


@pytest.fixture(scope="module")
def classes(texts, tokenizer):
    """(task, source, predicted class of each example)."""
    task = tasks.get("text_classification").bound(("no", "yes"))
    source = encoded(task, tokenizer, length=64, test=texts)["test"]
    wrong = np.random.default_rng(1).random(len(texts)) < 0.2
    labels = np.array([example.label == "yes" for example in texts], int)
    return task, source, np.where(wrong, 1 - labels, labels)


def logits_of_classes(predicted, batch, margin=2.0):
    return margin * np.eye(2)[predicted[batch["example"]]]


def test_classes(classes, texts):
    from sklearn.metrics import f1_score, matthews_corrcoef

    task, source, predicted = classes
    assert len(source.lengths) > 1
    found = evaluated(task, source, functools.partial(logits_of_classes, predicted))
    known = np.array([example.label is not None for example in texts])
    labels = np.array([example.label == "yes" for example in texts], int)[known]
    guesses = predicted[known]
    assert found.predictions.tolist() == guesses.tolist()
    metrics = found.metrics
    assert metrics["accuracy"] == pytest.approx(np.mean(labels == guesses))
    assert metrics["f1"] == pytest.approx(f1_score(labels, guesses))
    assert metrics["matthews"] == pytest.approx(matthews_corrcoef(labels, guesses))
    right, wrong = (np.log1p(math.exp(sign * 2.0)) for sign in (-1, 1))
    expected = np.where(labels == guesses, right, wrong).mean()
    assert metrics["loss"] == pytest.approx(expected, rel=1e-5)
    sure = 1 / (1 + math.exp(-2.0))
    assert metrics["calibration_error"] == pytest.approx(abs(sure - metrics["accuracy"]), rel=1e-4)
    assert sum(map(sum, metrics["confusion"])) == len(labels)
    error = metrics["errors"][0]
    assert error["truth"] != error["predicted"] and error["probability"] == pytest.approx(sure)


def test_differences_of_metrics_that_are_no_means(classes):
    task, source, predicted = classes
    student = evaluated(task, source, functools.partial(logits_of_classes, predicted))
    teacher = evaluated(task, source, functools.partial(logits_of_classes, 1 - predicted))
    errors = with_errors(task, {"student": student.sums, "teacher": teacher.sums})
    for key in ("accuracy", "f1", "matthews", "loss"):
        own = errors.differences["student-teacher"][key]
        assert own["value"] == pytest.approx(student.metrics[key] - teacher.metrics[key], abs=1e-6)
        low, high = errors.intervals["student"][key]
        assert low <= student.metrics[key] <= high and own["standard_error"] > 0
    found = task.disagreements(student.predictions, teacher.predictions, source)
    assert all(each["student"] != each["teacher"] for each in found) and len(found) == 6


def test_the_commonest_class(classes):
    task, source, _ = classes
    found = task.floor(source, list(task.evaluation_batches(source)), source)
    assert set(found.predictions) == {0} and found.metrics["f1"] == 0.0
    assert found.metrics["accuracy"] > 0.5
    counts = np.bincount(source.row_array("labels")[source.row_array("label_weights") > 0]) + 1
    shares = counts / counts.sum()
    labels = source.row_array("labels")[source.row_array("label_weights") > 0]
    assert found.metrics["loss"] == pytest.approx(-np.log(shares[labels]).mean())


def test_logits_that_are_no_numbers_are_wrong(classes):
    task, source, _ = classes
    found = evaluated(task, source, lambda batch: np.full((len(batch["labels"]), 2), np.nan))
    assert found.metrics["accuracy"] == 0.0 and found.metrics["f1"] == 0.0
    assert math.isnan(found.metrics["loss"]) and found.metrics["errors"] == []


def test_primary_metrics_of_data_sets():
    task = tasks.get("text_classification")
    assert task.of_set("") is task and task.of_set("glue/sst2").primary.key == "accuracy"
    mrpc = task.of_set("glue/mrpc")
    assert mrpc.primary.key == mrpc.compared[0].key == "f1" and len(mrpc.compared) == 4
    assert "F1" in mrpc.words.score.format("80 %") and "F1" in mrpc.words.chart
    assert task.primary.key == "accuracy"
    run = {"task": "text_classification", "made_from": {"task_data": "glue/cola"}}
    assert tasks.task_of(run).primary.key == "matthews"
    assert tasks.task_of({}).name == "masked_lm"


# -- numbers


@pytest.fixture(scope="module")
def numbers(texts, tokenizer):
    task = tasks.get("regression")
    generator = np.random.default_rng(2)
    examples = [
        TextExample(each.text, each.pair, float(generator.integers(0, 6))) for each in texts
    ]
    return task, encoded(task, tokenizer, test=examples)["test"]


def test_numbers(numbers):
    from scipy.stats import pearsonr, spearmanr

    task, source = numbers
    labels = source.row_array("labels")
    predicted = labels + np.random.default_rng(3).normal(0, 1, len(labels)).astype(np.float32)
    found = evaluated(task, source, lambda batch: predicted[batch["example"]][:, None])
    assert found.metrics["pearson"] == pytest.approx(pearsonr(labels, predicted).statistic)
    assert found.metrics["spearman"] == pytest.approx(spearmanr(labels, predicted).statistic)
    assert found.metrics["loss"] == pytest.approx(np.mean((labels - predicted) ** 2), rel=1e-5)
    floor = task.floor(source, list(task.evaluation_batches(source)), source)
    assert floor.metrics["pearson"] == floor.metrics["spearman"] == 0.0
    assert floor.metrics["loss"] == pytest.approx(labels.var(), rel=1e-5)
    errors = with_errors(task, {"student": found.sums, "teacher": floor.sums})
    for key in ("pearson", "spearman"):
        value = errors.differences["student-teacher"][key]["value"]
        assert value == pytest.approx(found.metrics[key])


def test_constant_numbers_have_a_note(numbers):
    task, source = numbers
    found = evaluated(task, source, lambda batch: np.full((len(batch["labels"]), 1), 2.5))
    assert math.isnan(found.metrics["pearson"]) and len(found.metrics["notes"]) == 1


# -- tags

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


@pytest.fixture(scope="module")
def tagged(tokenizer):
    """(task, train, test): sentences of a name, a filler and a place; the last is long."""
    task = tasks.get("token_classification").bound(TAGS)
    kinds = {
        "new": "B-LOC",
        "york": "I-LOC",
        "mary": "B-PER",
    }

    def sentence(*words):
        return TaggedExample(words, tuple(kinds.get(word, "O") for word in words))

    test = [
        sentence("mary", "saw", "new", "york"),
        TaggedExample(("who", "knows", "?"), None),
        sentence("the", "storm", "sank", "."),
        sentence(*["sea"] * 40, "new", "york"),
    ]
    train = [sentence("mary", "and", "mary"), sentence("new", "york"), sentence("york", "sea", ".")]
    sources = encoded(task, tokenizer, train=train, test=test)
    return task, sources["train"], sources["test"]


def true_tags(batch):
    return 5.0 * np.eye(len(TAGS))[batch["labels"]]


def test_tags(tagged):
    task, _, source = tagged
    found = evaluated(task, source, true_tags)
    assert len(found.predictions) == 4 + 4 + 42  # the words that are cut off, too
    assert found.metrics["f1"] == pytest.approx(2 * 2 / (2 + 3))  # one of three is cut off
    assert found.metrics["f1_strict"] == found.metrics["f1"]
    assert found.metrics["accuracy"] == pytest.approx(48 / 50)
    assert found.metrics["per_type"]["PER"]["f1"] == 1.0
    assert found.sums.predictions.tolist() == [4, 4, 42]
    assert found.metrics["errors"][0]["truth"] == "new york (LOC)"
    assert found.metrics["errors"][0]["predicted"] == ""


def test_files_are_compared_on_chosen_sentences(tagged):
    task, _, source = tagged
    batches = task.fixed_batches(task.evaluation_batches(source), LENGTH, limit=2)
    found = task.evaluate(measures(task, true_tags), batches, batches.source)
    assert found.sums.predictions.tolist() == [4, 42]  # the first and the last
    assert found.metrics["f1"] == pytest.approx(4 / 5)


def test_orphans_count_by_the_lenient_rule_alone(tagged):
    task, _, source = tagged

    def orphans(batch):
        inside = np.where(batch["labels"] == TAGS.index("B-PER"), 4, batch["labels"])
        return 5.0 * np.eye(len(TAGS))[inside]

    found = evaluated(task, source, orphans)
    assert found.metrics["f1"] == pytest.approx(4 / 5)
    assert found.metrics["f1_strict"] == pytest.approx(2 / 4)
    errors = with_errors(task, {"student": found.sums, "teacher": found.sums})
    assert errors.differences["student-teacher"]["f1"] == {"value": 0.0, "standard_error": 0.0}


def test_the_commonest_tag_of_each_word(tagged):
    task, train, source = tagged
    found = task.floor(train, list(task.evaluation_batches(source)), source)
    names = [TAGS[tag] for tag in found.predictions]
    assert names[:4] == ["B-PER", "O", "B-LOC", "I-LOC"] and set(names[4:8]) == {"O"}
    assert names[-2:] == ["B-LOC", "I-LOC"] and found.metrics["f1"] == 1.0
    assert 0 < found.metrics["loss"] < math.log(len(TAGS))
    other = evaluated(task, source, true_tags)
    shown = task.disagreements(found.predictions, other.predictions, source)
    assert shown == [
        {
            "text": " ".join(source.examples[3].words),
            "truth": "new york (LOC)",
            "student": "new york (LOC)",
            "teacher": "",
        }
    ]


# -- spans


@pytest.fixture(scope="module")
def questions(tokenizer):
    """(task, source): an answer in the first window, one far behind, and a question without."""
    task = tasks.get("question_answering")
    long = "the sea . " * 20 + "mary saw new york . the storm sank the ship ."

    def ask(name, question, context, *answers):
        found = tuple((answer, context.index(answer)) for answer in answers)
        return SpanExample(name, question, context, found)

    examples = [
        ask("1", "who sank ?", "the whale sank the ship .", "whale", "the whale"),
        ask("2", "what sank the ship ?", long, "storm"),
        ask("3", "where ?", "man saw .", *()),
    ]
    task = task.with_rules(AnswerRules(doc_stride=8))
    return task, encoded(task, tokenizer, test=examples)["test"]


def true_spans(batch):
    logits = np.zeros((*batch["input_ids"].shape, 2))
    for row, (start, end) in enumerate(batch["labels"]):
        # A window without the answer is less sure.
        logits[row, start, 0] = logits[row, end, 1] = 9.0 if end else 2.0
    return logits


def test_spans(questions):
    task, source = questions
    assert len(source) > len(source.examples)
    found = evaluated(task, source, true_spans)
    assert found.predictions[:2].tolist() == ["whale", "storm"]
    assert found.metrics["exact_match"] == found.metrics["f1"] == pytest.approx(2 / 3)
    assert found.sums.predictions.tolist() == [1, 1, 1]
    careful = task.with_rules(AnswerRules(may_abstain=True, doc_stride=8))
    abstains = evaluated(careful, source, true_spans)
    assert abstains.predictions.tolist() == ["whale", "storm", ""]
    assert abstains.metrics["f1"] == 1.0
    shown = task.disagreements(abstains.predictions, found.predictions, source)
    assert [each["truth"] for each in shown] == ["no answer"]


def test_answers_that_are_too_long(questions):
    task, source = questions

    def whole(batch):
        logits = np.zeros((*batch["input_ids"].shape, 2))
        for row in range(len(logits)):
            inside = np.flatnonzero(batch["token_type_ids"][row])
            if len(inside):
                logits[row, inside[0], 0] = logits[row, inside[-2], 1] = 9.0
        return logits

    short = task.with_rules(AnswerRules(doc_stride=8, max_answer_length=3))
    found = evaluated(short, source, whole)
    assert max(len(answer.split()) for answer in found.predictions) <= 3


def test_the_likeliest_sentence(questions):
    task, source = questions
    found = task.floor(source, [], source)
    assert found.predictions.tolist() == ["whale sank ship", "storm sank ship", "man saw"]
    assert found.metrics["exact_match"] == 0.0 and found.metrics["f1"] == pytest.approx(1 / 3)
    assert found.metrics["loss"] > 2.0


def test_files_are_compared_on_whole_questions(questions):
    task, source = questions
    batches = task.fixed_batches(task.evaluation_batches(source), LENGTH, limit=2)
    chosen = np.concatenate([batch["example"] for batch in batches])
    asked = set(source.texts.examples[chosen])
    assert len(chosen) == np.isin(source.texts.examples, list(asked)).sum()
    assert {batch["input_ids"].shape[1] for batch in batches} == {LENGTH}
    everything = task.fixed_batches(task.evaluation_batches(source), LENGTH, limit=1000)
    found = task.evaluate(measures(task, true_spans), everything, everything.source)
    assert found.predictions[:2].tolist() == ["whale", "storm"]
