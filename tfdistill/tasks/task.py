"""The interface of a task: everything that a run must know about what its models are for.

Modules that import TensorFlow are imported inside the methods, because reports read tasks, too.
"""

import numpy as np

from tfdistill.tasks.task_data import TaskData
from tfdistill.tasks.task_models import TaskModels

EXAMPLES = 6  # shown in reports


class Task(TaskData, TaskModels):
    """Base class of the tasks: what every task has, and what each must say for itself.

    Attributes:
        name: what the setting `task` takes.
        metrics: tuple of `Metric`, in the order of the columns.
        primary: the `Metric` that verdicts and charts look at.
        compared: tuple of the `Metric`s whose differences between models are measured, with
            sampling errors. The first is `primary`.
        floor_key: key in metrics.json of the floor: a model that does not read the text.
        same_start_key: key in metrics.json of the model without a teacher that has the student's
            start.
        words: `Words`.
        curve_metrics: tuple of further `Metric`s that validation curves have.
        learns_labels: whether models learn from labels, so that one can do without a teacher.
        takes_pooling: whether the setting `pooling` is for models that are there already, too.
        file_predictions: held-out predictions that say enough about an exported file; with fewer,
            a run tells so.
    """

    name, learns_labels, takes_pooling = "", True, False
    metrics = compared = curve_metrics = ()
    primary = words = None
    file_predictions = 500
    floor_key = "floor"
    same_start_key = "baseline_start"

    @property
    def loss_unit(self):
        """Unit of the loss: "nats", or "" for none."""
        return next((metric.unit for metric in self.metrics if metric.key == "loss"), "")

    def of_models(self, models):
        """The task with the metrics that some models have; by default itself.

        Args:
            models: dict of keys to dicts of metrics, as in metrics.json.
        """
        return self

    # -- evaluation

    def measure(self, logits, batch):
        """Measures every prediction of a batch, in TensorFlow.

        Args:
            logits: float32, of the model.
            batch: dict of tensors.

        Returns:
            dict of tensors of the shape of the labels: "loss"; "predictions", which are compared
            with the teacher's; and what `summarise` and `sums` need.
        """
        from tfdistill.training.evaluation import softmax_measures

        return softmax_measures(logits, batch[self.labels])

    def summarise(self, measured):
        """The metrics of a model.

        Args:
            measured: dict of `measure`, NumPy arrays of all predictions that count.

        Returns:
            dict with `loss` and the keys of `metrics`.
        """
        raise NotImplementedError

    def sums(self, measured):
        """Values of every prediction, whose means are the metrics of `compared`.

        Args:
            measured: as for `summarise`.

        Returns:
            dict of the metrics' keys, in the order of `compared`, to arrays.
        """
        raise NotImplementedError

    def measure_one(self, logits, label):
        """Measures one prediction in NumPy, for exported files.

        Args:
            logits: float32 (outputs,).
            label: int.

        Returns:
            dict of "loss", the primary metric's key, and "predictions".
        """
        logits = logits.astype(np.float64)
        top = logits.max()
        loss = top + np.log(np.exp(logits - top).sum()) - logits[label]
        best = logits.argmax()
        return {"loss": loss, self.primary.key: best == label, "predictions": best}

    def scorer(self, model, layers=None, shape=None):
        """Compiles a model for `evaluate`; see `training.evaluation.scorer`."""
        from tfdistill.training.evaluation import scorer

        return scorer(model, self.measure, layers, shape)

    def evaluate(self, score, batches, source=None):
        """Scores a model on fixed batches: an `Evaluation`.

        Args:
            score: what `scorer` returned.
            batches: iterable of evaluation batches.
            source: their source, for tasks that need the examples behind the rows.
        """
        from tfdistill.training.evaluation import evaluate

        return evaluate(score, batches, self)

    def compare(self, predictions, teacher_predictions, source=None):
        """Compares a model's predictions with the teacher's.

        Args:
            predictions, teacher_predictions: of their `Evaluation`s.
            source: the source of the examples.

        Returns:
            dict of facts for metrics.json: `agreement`, the share of equal predictions.
        """
        from tfdistill.training.evaluation import agreement

        return {"agreement": agreement(predictions, teacher_predictions)}

    def floor(self, source, batches, held_out=None):
        """Scores the floor, a model that does not read the text: an `Evaluation`.

        Args:
            source: the source of the training split.
            batches: list of evaluation batches.
            held_out: their source, as for `evaluate`.
        """
        raise NotImplementedError

    # -- deployment

    def single_inputs(self, batch):
        """The predictions of a batch one by one, for exported files that take one row.

        Args:
            batch: dict of NumPy arrays.

        Yields:
            (inputs, index, of_one): dict of the names of inputs to arrays without the batch's axis;
            the index of the prediction in the batch's labels and logits; and its index in the
            logits of these inputs alone.
        """
        raise NotImplementedError

    def part(self, inputs, tokens):
        """A shorter text, for files that take rows of several lengths.

        Args:
            inputs: of `single_inputs`.
            tokens: at most so many, with the first and the last of the text; 3 or more.

        Returns:
            dict like `inputs`, without padding: by default the beginning of the text.
        """
        return part_from(inputs, 1, tokens)

    def rows_to_time(self, batch):
        """Inputs on which latencies are measured: a list, one for each row with a prediction.

        Args:
            batch: dict of NumPy arrays.
        """
        first = {}
        for inputs, index, _ in self.single_inputs(batch):
            first.setdefault(index[0], inputs)
        return list(first.values())

    def against(self, logits, batches):
        """The task that compares a file with its model; by default itself.

        Args:
            logits: list of float32 arrays, what the model gives for each batch.
            batches: of `fixed_batches`.
        """
        return self

    def file_agreement(self, file, model):
        """How much a file predicts what its model does; by default, the share of equal predictions.

        Args:
            file, model: (`Evaluation`, list of float32 arrays, the outputs for each batch).

        Returns:
            float, 1 for the same.
        """
        return self.compare(file[0].predictions, model[0].predictions)["agreement"]

    @property
    def file_metric(self):
        """The `Metric` that an exported file must keep: the primary one, or the loss."""
        return self.primary

    def predict(self, predictor, text, top_k=5):
        """Predicts for one text.

        Args:
            predictor: a `Predictor`.
            text: str.
            top_k: predictions to return.

        Returns:
            list of the predictions, the likeliest first.

        Raises:
            UserError: the text does not fit.
        """
        raise NotImplementedError

    # -- reports

    def examples(self, tokenizer, source, predictors):
        """Held-out examples and what the models predict for them.

        Args:
            tokenizer: the `Tokenizer`.
            source: the source of the held-out split.
            predictors: dict of "teacher" and "student" to `Predictor`s.

        Returns:
            list of dicts: `text`, `truth`, and for each predictor a list of (label, probability).
        """
        raise NotImplementedError


def part_from(inputs, start, tokens):
    """A part of a text between its first and its last token.

    Args:
        inputs: dict with `input_ids` and `attention_mask`, int (length,).
        start: place of the part's first token behind the first of the text.
        tokens: at most so many in all.

    Returns:
        dict like `inputs`, without padding.
    """
    end = int(inputs["attention_mask"].sum()) - 1
    ids = inputs["input_ids"]
    ids = np.concatenate([ids[:1], ids[start : min(start + tokens - 2, end)], ids[end : end + 1]])
    return inputs | {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def softmax(logits):
    """Probabilities of logits, float64, over the last axis."""
    wide = logits.astype(np.float64)
    probabilities = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return probabilities / probabilities.sum(axis=-1, keepdims=True)
