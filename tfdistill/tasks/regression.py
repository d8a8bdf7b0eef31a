"""Regression: a number for each text, or pair of texts."""

import numpy as np

from tfdistill.data.labelled.sources import encode_numbers
from tfdistill.tasks.label_heads import TEXT
from tfdistill.tasks.labelled import LabelledTask, text_of
from tfdistill.tasks.metrics import Metric, share
from tfdistill.tasks.score_metrics import (
    CONSTANT,
    correlation_columns,
    correlations,
    is_constant,
    pearson_of_sums,
    rank_columns,
)
from tfdistill.tasks.task import EXAMPLES
from tfdistill.tasks.words import Words

PEARSON = share("pearson", "Pearson", of_sums=pearson_of_sums)
SPEARMAN = share("spearman", "Spearman", of_sums=pearson_of_sums)
ERROR = Metric("loss", "MSE", difference_phrase="of squared error")
WORDS = Words(
    goal="to give texts a number",
    score="the student's numbers have a correlation of {} with the true ones",
    floor="mean of the labels",
    floor_column="mean of the labels",
    floor_score="the mean of the labels has a correlation of {}",
    metrics="MSE: mean squared error. Pearson, Spearman: correlation of the numbers, and of their "
    "ranks, with the true ones; in standard errors the ranks are those of the whole split. agree: "
    "Pearson's correlation with the teacher's numbers.",
    agreement="correlation",
    chart="Pearson's correlation (%)",
    chart_note="Correlation of the predicted numbers with the true ones.",
    loss_name="squared error",
    loss_note="Mean squared error; less is better.",
    examples_note="Predicted numbers.",
    card="A model for the phone that gives a text a number.",
    output="the number",
)


class Regression(LabelledTask):
    """Each text, or pair of texts, has a number, such as the likeness of two sentences.

    The floor predicts the mean of the training split. It has no correlation, which counts as 0.
    """

    name = "regression"
    kind, data_kind = TEXT, "numbers"
    gives_number = has_variants = True
    hard_loss = "squared_error"
    distillation_losses = {"labels": "squared_error", "kl": "logits_mse", "mse": "logits_mse"}
    metrics = (ERROR, PEARSON, SPEARMAN)
    primary = PEARSON
    compared = (PEARSON, SPEARMAN, ERROR)
    words = WORDS

    # -- data

    def encode(self, examples, tokenizer, length):
        return encode_numbers(examples, tokenizer, length)

    # -- models

    def set_prior(self, model, source):
        """Sets the head's bias to the mean of the labels."""
        model.head.dense.bias.assign([self._mean(source)])

    def _mean(self, source):
        labels = source.row_array(self.labels)[source.row_array(self.weights) > 0]
        return float(labels.mean(dtype=np.float64))

    # -- evaluation

    def measure(self, logits, batch):
        numbers, labels = logits[..., 0], batch[self.labels]
        return {"loss": (numbers - labels) ** 2, "predictions": numbers, "labels": labels}

    def summarise(self, measured):
        labels, predictions = measured["labels"], measured["predictions"]
        pearson, spearman = correlations(labels, predictions)
        found = {
            "loss": float(np.mean(measured["loss"], dtype=np.float64)),
            "pearson": pearson,
            "spearman": spearman,
        }
        return found | ({"notes": [CONSTANT]} if is_constant(predictions) else {})

    def sums(self, measured):
        pair = measured["labels"], measured["predictions"]
        columns = {"pearson": correlation_columns(*pair), "spearman": rank_columns(*pair)}
        columns["loss"] = measured["loss"].astype(np.float64)
        return {metric.key: columns[metric.key] for metric in self.compared}

    def floor(self, source, batches, held_out=None):
        """Scores the mean of the training split."""
        mean = self._mean(source)

        def score(batch):
            labels = batch[self.labels]
            numbers = np.full(labels.shape, mean, np.float64)
            return {"loss": (numbers - labels) ** 2, "predictions": numbers, "labels": labels}

        found = self.evaluate(score, batches)
        found.metrics.pop("notes", None)
        return found._replace(metrics=found.metrics | {"pearson": 0.0, "spearman": 0.0})

    def agreement(self, predictions, teacher_predictions):
        """Pearson's correlation with the teacher's numbers."""
        return correlations(predictions, teacher_predictions)[0]

    # -- reports

    def errors(self, measured, source):
        distance = np.abs(measured["labels"] - measured["predictions"])
        return [
            self.shown(source.examples[measured["row"][place]])
            | {"predicted": _text(measured["predictions"][place])}
            for place in np.argsort(-distance, kind="stable")[:EXAMPLES]
        ]

    def disagreements(self, predictions, teacher_predictions, source):
        rows = self.measured_examples(source)
        distance = np.abs(predictions - teacher_predictions)
        return [
            self.shown(source.examples[rows[place]])
            | {"student": _text(predictions[place]), "teacher": _text(teacher_predictions[place])}
            for place in np.argsort(-distance, kind="stable")[:EXAMPLES]
        ]

    def measured_examples(self, source):
        """The examples of a source that are measured: int64."""
        return np.flatnonzero(source.row_array(self.weights) > 0)

    def shown(self, example):
        return {
            "text": text_of(example),
            "truth": "" if example.label is None else _text(example.label),
        }

    def guesses(self, predictor, example):
        (found,) = predictor.predict([example.text], [example.pair])
        return [(_text(found["value"]), 1.0)]


def _text(number):
    return f"{number:.3g}"
