"""The interface of a task: everything that a run must know about what its models are for.

Modules that import TensorFlow are imported inside the methods, because reports read tasks, too.
"""

import copy
from types import MappingProxyType

import numpy as np

from tfdistill.tasks.prepared import SPLITS, open_text, prepare_text, steps_for

EXAMPLES = 6  # shown in reports
CALIBRATION_BATCHES, CALIBRATION_ROWS = 8, 32  # on which a narrower student is fitted
INT8_LOSS = 0.01  # of the primary metric of an int8 file, compared with its model
# Uses of batches: training of teachers made in a run, training of students, the fitting of a start,
# and evaluation.
TEACHER, STUDENT, CALIBRATION, EVALUATION = "teacher", "student", "calibration", "evaluation"


class Task:
    """Base class of the tasks: what every task has, and what each must say for itself.

    A batch is a dict of arrays: the encoder's inputs (`input_ids`, `attention_mask`, int32 (batch,
    length), and perhaps `token_type_ids`), the head's further inputs, labels and weights.

    Attributes:
        name: what the setting `task` takes.
        hard_loss: name of the loss that compares the student with the labels alone.
        labels: key of the labels in a batch: int32.
        weights: key of their weights in a batch, float32 of the same shape: 1 for a label that
            counts, 0 for padding. All means run over the labels that count.
        metrics: tuple of `Metric`, in the order of the columns.
        primary: the `Metric` that verdicts and charts look at.
        compared: tuple of the `Metric`s whose differences between models are measured: means over
            the labels, with sampling errors. The first is `primary`.
        floor_key: key in metrics.json of the floor: a model that does not read the text.
        same_start_key: key in metrics.json of the model without a teacher that has the student's
            start.
        distillation_losses: dict of "labels" (the hard loss), "kl" and "mse" (comparisons with the
            logits of the teacher) to names of losses, for the recipe `kd`.
        teacher_rate: peak learning rate of a loaded teacher that is fine-tuned on the labels.
        outputs_are_tokens: whether the logits are scores of all tokens of the vocabulary.
        words: `Words`.
        kind: what an example with labels is: "text", "tags" or "spans"; None for a task that reads
            a corpus.
        labels_names: tuple of the classes' names, once the task is bound; () for a task without.
        validation_batches: the most batches of the validation split that a point of the curve
            reads; None for all.
    """

    name = ""
    hard_loss = "cross_entropy"
    labels, weights = "labels", "label_weights"
    metrics = compared = ()
    primary = words = None
    floor_key = "floor"
    same_start_key = "baseline_start"
    distillation_losses = MappingProxyType(
        {"labels": "cross_entropy", "kl": "logits_kl", "mse": "logits_mse"}
    )
    teacher_rate = 5e-5
    outputs_are_tokens = False
    kind = None
    labels_names = ()
    pooling = ""
    validation_batches = 16

    @property
    def loss_unit(self):
        """Unit of the loss: "nats", or "" for none."""
        return next((metric.unit for metric in self.metrics if metric.key == "loss"), "")

    # -- data

    def of_settings(self, settings):
        """The task as some settings want it; by default itself.

        Args:
            settings: object with the run's settings, such as a `RunConfig`.
        """
        return self

    def open_data(self, settings):
        """Opens the data that the settings name, without TensorFlow; by default a corpus.

        Args:
            settings: object with the run's settings, such as a `RunConfig`.

        Returns:
            The data, for `labels_of` and `prepare`.

        Raises:
            UserError: there is no such data.
        """
        return open_text(settings)

    def labels_of(self, data):
        """The names of the classes in what `open_data` returned: a tuple, () by default."""
        return ()

    def bound(self, labels, pooling=""):
        """The task with its classes.

        Args:
            labels: tuple of the classes' names, in the order of the logits.
            pooling: what the head of a text reads (see `models.heads.classification`); "": as the
                model has it.

        Returns:
            A copy with these `labels_names` and `pooling`; the task itself without either.
        """
        if not labels and not pooling:
            return self
        task = copy.copy(self)
        task.labels_names, task.pooling = tuple(labels), pooling
        return task

    def prepare(self, data, tokenizer, settings, progress=None):
        """Tokenises the data; by default into rows of text, unless their shards exist.

        Args:
            data: what `open_data` returned.
            tokenizer: the `Tokenizer`.
            settings: as for `open_data`.
            progress: function of the text's size in bytes to a function of (bytes done, bytes in
                total, tokens done); None to show nothing.

        Returns:
            `PreparedData`.
        """
        return prepare_text(self, data, tokenizer, settings, progress)

    def lengths(self, settings):
        """Lengths that rows may have, the shortest first: a batch has one of them.

        The training step is traced once for each.

        Args:
            settings: as for `open_data`.

        Returns:
            tuple of int.
        """
        return (settings.length,)

    def read(self, prepared, tokenizer, settings):
        """Opens the examples of every split; by default the rows of a corpus.

        Args:
            prepared: the `PreparedCorpus`.
            tokenizer: the `Tokenizer`.
            settings: as for `open_data`.

        Returns:
            dict of "train", "validation" and "test" to sources (see `data.batches`).
        """
        from tfdistill.data.rows import Rows

        (length,) = self.lengths(settings)
        return {split: Rows(prepared.shard(split), length, tokenizer) for split in SPLITS}

    def transform(self, source, use, settings=None):
        """What turns gathered examples into a batch.

        Args:
            source: the source of the split.
            use: `TEACHER`, `STUDENT`, `CALIBRATION` or `EVALUATION`.
            settings: as for `open_data`; None for calibration and evaluation, which do not depend
                on them.

        Returns:
            Function of (gathered examples, `numpy.random.Generator`) to a batch.
        """
        raise NotImplementedError

    def training_batches(self, source, use, seed, settings, draws_per_row=0):
        """Endless batches for training.

        Args:
            source: the source of the training split.
            use: `TEACHER`, `STUDENT` or `CALIBRATION`.
            seed: seed of the order and of the transform's draws.
            settings: as for `open_data`.
            draws_per_row: see `TrainingBatches`.

        Returns:
            `TrainingBatches`, or an object like it: batch `at(step)` depends on seed and step
            alone.
        """
        from tfdistill.data.batches import TrainingBatches

        rows = settings.batch_size * settings.gradient_accumulation_steps
        transform = self.transform(source, use, settings)
        return TrainingBatches(source, rows, seed, transform, draws_per_row)

    def calibration_batches(self, source, seed):
        """Batches of training examples on which the start of a narrower student is fitted.

        Args:
            source: the source of the training split.
            seed: int.

        Returns:
            list of dicts.
        """
        from tfdistill.data.batches import TrainingBatches

        transform = self.transform(source, CALIBRATION)
        batches = TrainingBatches(source, CALIBRATION_ROWS, seed, transform)
        return [batches.at(number) for number in range(CALIBRATION_BATCHES)]

    def training_steps(self, source, settings):
        """Optimizer steps that `n_epoch` passes over the training split take, at least 1.

        Args:
            source: the source of the training split.
            settings: as for `open_data`.
        """
        return steps_for(len(source), settings)

    def evaluation_batches(self, source):
        """`EvaluationBatches` of a source of held-out examples."""
        from tfdistill.data.batches import EvaluationBatches, evaluation_rows

        transform = self.transform(source, EVALUATION)
        return EvaluationBatches(source, evaluation_rows(source.length), transform)

    def fixed_batches(self, batches, length, limit):
        """Evaluation batches whose rows have one length, for exported files.

        Args:
            batches: what `evaluation_batches` returned.
            length: tokens in a row.
            limit: most rows of tasks whose rows have several lengths.

        Returns:
            Iterable of dicts; by default the batches as they are.
        """
        return batches

    # -- models

    def head(self, config):
        """A fresh head.

        Args:
            config: `EncoderConfig` of the encoder.

        Returns:
            A head, such as `SmallHead`.
        """
        raise NotImplementedError

    def model(self, config, seed):
        """A fresh `Model` with the task's head.

        Args:
            config: `EncoderConfig`.
            seed: int; None leaves the matrices at zero.
        """
        from tfdistill.models.encoder import Encoder
        from tfdistill.models.model import Model

        return Model(Encoder(config), self.head(config), seed)

    def load(self, directory):
        """Loads a `Model`; its head is None where the directory has no head of this task."""
        from tfdistill.models.hugging_face.checkpoint import load_model

        return load_model(directory, head=self._read_head)

    def load_for_training(self, directory, seed):
        """Loads a `Model` with its head, or puts a fresh one on the encoder of a directory.

        Args:
            directory: Hugging Face directory or hub name.
            seed: int, seed of the fresh weights.
        """
        from tfdistill.starts.copied_ends import copy_weights

        model = self.load(directory)
        if model.head is not None:
            return model
        fresh = self.model(model.config, seed)
        copy_weights(model.encoder, fresh.encoder)
        return fresh

    def describe(self, directory):
        """Reads the config of a directory, and whether it has the head: a `ModelDescription`."""
        from tfdistill.models.hugging_face.checkpoint import describe_model

        return describe_model(directory, head=self._read_head)

    @property
    def _read_head(self):
        """`read_head`, if the head's tensors are its own; else None."""
        return None if self.outputs_are_tokens else self.read_head

    def read_head(self, config, values):
        """The head that a config.json describes; by default the task's own.

        Args:
            config: `EncoderConfig` of the encoder.
            values: dict, the content of config.json.

        Returns:
            A fresh head, whose tensors are read; None where the file describes another.
        """
        return self.head(config)

    def initialize_student(self, teacher, config, **options):
        """Cuts a student from a teacher; its head is fresh if the teacher's has other shapes.

        Args:
            teacher: a `Model`.
            config: `EncoderConfig` of the student.
            **options: of `starts.from_teacher.initialize_student`.

        Returns:
            A `Model`.
        """
        from tfdistill.models.model import Model
        from tfdistill.starts.copied_ends import copy_weights
        from tfdistill.starts.from_teacher import initialize_student

        without_head = Model(teacher.encoder, seed=None)
        cut = initialize_student(without_head, config, with_head=False, **options)
        student = self.model(config, options["seed"])
        copy_weights(cut.encoder, student.encoder)
        if _shapes(teacher.head) == _shapes(student.head):
            copy_weights(teacher.head, student.head)
        return student

    def start_from_text(self, model, ids, source, tokenizer, seed):
        """Sets a fresh model to a start that is read from the text; by default it stays random.

        Args:
            model: a fresh `Model`.
            ids: int (tokens,), the text of the training split.
            source: the source of the training split.
            tokenizer: the `Tokenizer`.
            seed: int.
        """

    def without_teacher(self):
        """The recipe that trains with the labels alone: a `Recipe` of one phase."""
        from tfdistill.distillation.phases import Phase, Recipe, Term

        phase = Phase("labels", (Term(self.hard_loss, 1.0),))
        return Recipe("labels", (phase,), source="the labels alone")

    def set_prior(self, model, source):
        """Sets what a fresh head can know before training, such as frequencies of the labels.

        Args:
            model: a fresh `Model`.
            source: the source of the training split.
        """

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

    def scorer(self, model, layers=None):
        """Compiles a model for `evaluate`; see `training.evaluation.scorer`."""
        from tfdistill.training.evaluation import scorer

        return scorer(model, self.measure, layers)

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

    def rows_to_time(self, batch):
        """Inputs on which latencies are measured: a list, one for each row with a prediction.

        Args:
            batch: dict of NumPy arrays.
        """
        first = {}
        for inputs, index, _ in self.single_inputs(batch):
            first.setdefault(index[0], inputs)
        return list(first.values())

    def keeps_quality(self, result):
        """Whether an int8 file predicts well enough.

        Args:
            result: its `ParityResult`.
        """
        raise NotImplementedError

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


def _shapes(head):
    return [tuple(variable.shape) for variable in head.weights] if head is not None else None


def softmax(logits):
    """Probabilities of logits, float64, over the last axis."""
    wide = logits.astype(np.float64)
    probabilities = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return probabilities / probabilities.sum(axis=-1, keepdims=True)
