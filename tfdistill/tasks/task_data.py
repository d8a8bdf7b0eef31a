"""What a task says about its data: the part of its interface from files to batches.

Modules that import TensorFlow are imported inside the methods, because reports read tasks, too.
"""

import copy

from tfdistill.tasks.prepared import SPLITS, open_text, prepare_text, steps_for

CALIBRATION_BATCHES, CALIBRATION_ROWS = 8, 32  # on which a narrower student is fitted
# Uses of batches: training of teachers made in a run, training of students, the fitting of a start,
# and evaluation.
TEACHER, STUDENT, CALIBRATION, EVALUATION = "teacher", "student", "calibration", "evaluation"


class TaskData:
    """How a task opens its data, and makes batches of them.

    A batch is a dict of arrays: the encoder's inputs (`input_ids`, `attention_mask`, int32 (batch,
    length), and perhaps `token_type_ids`), the head's further inputs, labels and weights.

    Attributes:
        kind: what an example with labels is: "text", "tags" or "spans"; None for a task that reads
            a corpus.
        labels: key of the labels in a batch: int32.
        weights: key of their weights in a batch, float32 of the same shape: 1 for a label that
            counts, 0 for padding. All means run over the labels that count.
        labels_names: tuple of the classes' names, once the task is bound; () for a task without.
        pooling: what the head reads of a whole text (see `models.heads`); "" for the checkpoint's
            own.
        validation_batches: the most batches of the validation split that a point of the curve
            reads; None for all.
        has_variants: whether an example is a text, a pair of texts or a sentence, so that there may
            be others without a label that a teacher answers (see `data.augmentation`).
    """

    kind = None
    labels, weights = "labels", "label_weights"
    labels_names = ()
    pooling = ""
    validation_batches = 16
    has_variants = False

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
            The data, for `labels_of` and `prepare`; `fingerprint`, a str, is equal for equal data.

        Raises:
            UserError: there is no such data.
        """
        return open_text(settings)

    def open_held_out(self, settings):
        """Opens data for a command that trains nothing; by default the same.

        Args, Returns, Raises: as for `open_data`; the training split may be missing.
        """
        return self.open_data(settings)

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

    def of_data(self, data):
        """The task as a run on some data does it; by default itself.

        Args:
            data: what `open_data` returned.
        """
        return self

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

    def tokens_in_step(self, source, settings):
        """Tokens of an optimizer step, with padding, in the mean.

        Args:
            source: the source of the training split; None for a corpus that is not prepared yet.
            settings: as for `open_data`.
        """
        return settings.batch_size * settings.gradient_accumulation_steps * settings.length

    def evaluation_batches(self, source):
        """`EvaluationBatches` of a source of held-out examples."""
        from tfdistill.data.batches import EvaluationBatches, evaluation_rows

        transform = self.transform(source, EVALUATION)
        return EvaluationBatches(source, evaluation_rows(source.length), transform)

    def lacks_labels(self, source):
        """Whether held-out examples have no labels, so that a teacher must give them.

        Args:
            source: their source.
        """
        return False

    def labelled_by(self, source, answers):
        """Labels held-out examples by the answers of a teacher.

        Args:
            source: a source that `lacks_labels`.
            answers: float32 (rows, outputs), of the teacher.

        Returns:
            A source.
        """
        raise NotImplementedError

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
