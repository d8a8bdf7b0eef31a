"""Classification of texts, or of pairs of texts."""

import numpy as np

from tfdistill.data.labelled.sources import encode_classes
from tfdistill.tasks import class_metrics
from tfdistill.tasks.label_heads import TEXT
from tfdistill.tasks.labelled import LabelledTask, spread, text_of
from tfdistill.tasks.metrics import LOSS, Metric, share
from tfdistill.tasks.task import EXAMPLES
from tfdistill.tasks.words import CLASSIFY_BY_NAME, Words

MOST_IN_MATRIX = 20  # classes of a confusion matrix that metrics.json holds
SHOWN_CLASSES = 3  # of an example of the report
NO_CLASS = -1  # the prediction of a model whose logits are no numbers


def _f1(totals, count):
    """F1 of one class (three columns), or the mean over several (three for each)."""
    of_sums = class_metrics.f1_of_sums if totals.shape[-1] == 3 else class_metrics.macro_f1_of_sums
    return of_sums(totals, count)


ACCURACY = share("accuracy", "accuracy")
F1 = share("f1", "F1", of_sums=_f1)
MATTHEWS = share("matthews", "Matthews", of_sums=class_metrics.matthews_of_sums)
CALIBRATION_ERROR = Metric(
    "calibration_error", "ECE", unit="%", scale=100.0, digits=1, in_summaries=False
)


class TextClassification(LabelledTask):
    """Each text, or pair of texts, has one of a few classes.

    The floor predicts the classes by their frequency in the training split. F1 is that of the
    second class in order if there are two, such as "1" of "0" and "1"; else the mean over the
    classes (macro).
    """

    name = "text_classification"
    kind, data_kind = TEXT, "text"
    has_variants = True
    metrics = (LOSS, ACCURACY, F1, MATTHEWS, CALIBRATION_ERROR)
    primary = ACCURACY
    compared = (ACCURACY, F1, MATTHEWS, LOSS)
    words = Words(
        metrics="loss: mean cross-entropy of the true class. F1: of the second class in order; of "
        "more than two classes, their mean (macro). Matthews: correlation of predicted and true "
        "classes. ECE: mean distance of confidence and accuracy (expected calibration error). "
        "agree: share with the teacher's class.",
        code=CLASSIFY_BY_NAME,
    )

    # -- data

    def encode(self, examples, tokenizer, length):
        return encode_classes(examples, tokenizer, length, self.labels_names)

    # -- models

    def set_prior(self, model, source):
        """Sets the head's bias to the log-frequencies of the classes."""
        model.head.dense.bias.assign(self._log_frequencies(source).astype(np.float32))

    def _log_frequencies(self, source):
        """Log-frequencies of the classes, each counted once more: float64 (classes,)."""
        labels = source.row_array(self.labels)[source.row_array(self.weights) > 0]
        counts = np.bincount(labels, minlength=len(self.labels_names)) + 1.0
        return np.log(counts / counts.sum())

    # -- evaluation

    def measure(self, logits, batch):
        import tensorflow as tf

        confidence = tf.exp(tf.reduce_max(tf.nn.log_softmax(logits), axis=-1))
        labels = batch[self.labels]
        return super().measure(logits, batch) | {"confidence": confidence, "labels": labels}

    def by_example(self, measured, source):
        broken = np.isnan(measured["loss"])
        predictions = np.where(broken, NO_CLASS, measured["predictions"])
        confidence = np.where(broken, 0.0, measured["confidence"])
        return measured | {"predictions": predictions, "confidence": confidence}

    def summarise(self, measured):
        labels, predictions = measured["labels"], measured["predictions"]
        right, names = labels == predictions, self.labels_names
        error, points = class_metrics.reliability(measured["confidence"], right)
        columns, count = self.sums(measured), np.array([len(labels)])
        found = {
            "loss": float(np.mean(measured["loss"], dtype=np.float64)),
            "accuracy": float(np.mean(right)),
            **{
                metric.key: float(metric.of_sums(_total(columns[metric.key]), count)[0])
                for metric in (F1, MATTHEWS)
            },
            "calibration_error": error,
            "reliability": points,
            "per_class": class_metrics.scores_by_class(labels, predictions, names),
        }
        if len(names) <= MOST_IN_MATRIX:
            matrix = class_metrics.confusion(labels, predictions, len(names))
            found["confusion"] = matrix.tolist()
        return found

    def sums(self, measured):
        labels, predictions = measured["labels"], measured["predictions"]
        classes = len(self.labels_names)
        every = class_metrics.class_columns(labels, predictions, classes)
        binary = class_metrics.binary_columns(labels, predictions) if classes == 2 else every
        means = {"accuracy": labels == predictions, "loss": measured["loss"]}
        columns = {key: values.astype(np.float64) for key, values in means.items()}
        columns |= {"f1": binary, "matthews": every}
        return {metric.key: columns[metric.key] for metric in self.compared}

    def floor(self, source, batches, held_out=None):
        """Scores the model that predicts classes by their frequency in the training split."""
        from tfdistill.training.evaluation import constant_score

        log_probabilities = self._log_frequencies(source)
        score = constant_score(log_probabilities, self.labels)

        def measured(batch):
            labels = batch[self.labels]
            confidence = np.full(labels.shape, np.exp(log_probabilities.max()))
            return score(batch) | {"confidence": confidence, "labels": labels}

        return self.evaluate(measured, batches)

    # -- reports

    def errors(self, measured, source):
        wrong = np.flatnonzero(measured["labels"] != measured["predictions"])
        wrong = wrong[measured["predictions"][wrong] != NO_CLASS]
        surest = wrong[np.argsort(-measured["confidence"][wrong], kind="stable")][:EXAMPLES]
        return [
            self.shown(source.examples[measured["row"][place]])
            | {
                "predicted": self.label_name(measured["predictions"][place]),
                "probability": float(measured["confidence"][place]),
            }
            for place in surest
        ]

    def disagreements(self, predictions, teacher_predictions, source):
        rows = np.flatnonzero(source.row_array(self.weights) > 0)  # those that were measured
        return [
            self.shown(source.examples[rows[place]])
            | {
                "student": self.label_name(predictions[place]),
                "teacher": self.label_name(teacher_predictions[place]),
            }
            for place in spread(np.flatnonzero(predictions != teacher_predictions))
        ]

    def label_name(self, label):
        """The name of a class, by its number; "" for `NO_CLASS`."""
        return "" if label == NO_CLASS else self.labels_names[label]

    def shown(self, example):
        return {"text": text_of(example), "truth": "" if example.label is None else example.label}

    def guesses(self, predictor, example):
        (found,) = predictor.predict([example.text], [example.pair])
        shares = found["probabilities"].items()
        return sorted(shares, key=lambda share: -share[1])[:SHOWN_CLASSES]


def _total(columns):
    """Sums of columns, (1, columns)."""
    return columns.sum(axis=0, dtype=np.float64)[None]
