"""Cosines of pairs of texts beside the scores of people."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from tfdistill import tasks
from tfdistill.data.labelled.examples import LabelledData, TextExample
from tfdistill.system.errors import UserError
from tfdistill.tasks.sentence_embedding import cosines

EXAMPLES = [
    TextExample(f"text {number} " * (1 + number % 4), f"other {number % 3}", number % 5 + 1.0)
    for number in range(30)
]
EXAMPLES[7] = TextExample("no", "score")


@pytest.fixture(scope="module")
def task():
    return tasks.get("sentence_embedding").of_data(LabelledData("pairs", {"test": EXAMPLES}))


@pytest.fixture(scope="module")
def source(task):
    from tfdistill import load_tokenizer

    return task.encode(EXAMPLES, load_tokenizer(), 24)


def vectors_of(batch):
    """Random vectors that depend on the tokens."""
    rows = np.random.default_rng(1).normal(size=(30522, 6)).astype(np.float32)
    return (rows[batch["input_ids"]] * batch["attention_mask"][..., None]).sum(axis=1)


def test_metrics_are_those_of_scipy(task, source):
    batches = task.evaluation_batches(source)
    found = task.evaluate(
        lambda batch: {"vectors": vectors_of(batch), "labels": batch["labels"]}, batches, source
    )
    known = [each for each in EXAMPLES if each.label is not None]
    order = np.delete(np.arange(30), 7)
    rows = vectors_of(source.gather(np.arange(60)))
    alike = cosines(rows[::2], rows[1::2])[order]
    scores = np.array([each.label for each in known])
    np.testing.assert_allclose(found.predictions, alike, atol=1e-5)
    assert found.metrics["spearman"] == pytest.approx(spearmanr(alike, scores).statistic, abs=1e-5)
    assert found.metrics["pearson"] == pytest.approx(pearsonr(alike, scores).statistic, abs=1e-5)
    loss = np.mean((alike - (scores - 1) / 4) ** 2)
    assert found.metrics["loss"] == pytest.approx(loss, abs=1e-5)
    worst = found.metrics["errors"][0]
    assert " — other" in worst["text"] and worst.keys() == {"text", "truth", "predicted"}
    assert task.primary.key == "spearman" and task.of_set("glue/stsb") is task


def test_the_floor_counts_common_words(task, source):
    found = task.floor(None, None, source)
    assert len(found.predictions) == 29
    assert found.predictions[0] == pytest.approx(1 / 3)  # text 0, other 0: of three words, "0"
    assert not found.metrics.get("notes")


def test_some_pairs_of_a_split(task, source):
    rows = task.chosen_rows(source, 20)
    assert len(rows) == 20 and (rows[1::2] == rows[::2] + 1).all() and rows[0] == 0
    assert task.chosen_rows(source, 1000).tolist() == list(range(60))


def test_some_texts_of_a_split(task):
    """Texts to learn from have a row each; a full int8 file takes its ranges from them."""
    from tfdistill import load_tokenizer

    texts = [TextExample(f"text {number}") for number in range(9)]
    source = task.encode(texts, load_tokenizer(), 24)
    assert task.chosen_rows(source, 5).tolist() == [0, 2, 4, 6, 8]
    batches = task.fixed_batches(task.evaluation_batches(source), 24, 1000)
    assert sum(len(batch["input_ids"]) for batch in batches) == 9


def test_scores_must_differ(task):
    same = [TextExample("a", "b", 1.0)] * 3
    with pytest.raises(UserError, match="all scores are 1"):
        task.of_data(LabelledData("same", {"test": same}))


def test_cosines_of_zeros_are_zero():
    assert cosines(np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)).tolist() == [0]


def test_a_teacher_labels_pairs_without_scores(task):
    from tfdistill import load_tokenizer

    pairs = [TextExample(f"text {number}", "other text") for number in range(4)]
    unlabelled = task.encode(pairs, load_tokenizer(), 24)
    assert task.lacks_labels(unlabelled)
    assert not task.lacks_labels(task.encode(EXAMPLES, load_tokenizer(), 24))
    answers = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    labelled = task.labelled_by(unlabelled, answers)
    assert not task.lacks_labels(labelled)
    batches = task.evaluation_batches(labelled)
    found = task.evaluate(
        lambda batch: {"vectors": vectors_of(batch), "labels": batch["labels"]}, batches, labelled
    )
    alike = cosines(answers[::2], answers[1::2])
    expected = spearmanr(found.predictions, alike).statistic
    assert found.metrics["spearman"] == pytest.approx(expected)
    assert task.agreement(found.predictions, alike) == pytest.approx(expected)
    shown = task.disagreements(found.predictions, alike, labelled)
    worst = int(np.argmax(np.abs(found.predictions - alike)))
    assert shown[0]["text"] == f"text {worst} — other text"
