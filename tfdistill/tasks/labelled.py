"""Tasks whose examples come with labels: what they have in common."""

import copy
import dataclasses
import hashlib
import math

import numpy as np

from tfdistill.data.batches import evaluation_rows
from tfdistill.data.labelled.batches import (
    EXAMPLE,
    LabelledBatches,
    LabelledEvaluationBatches,
    rows_of_lengths,
)
from tfdistill.data.labelled.encoded import LABELS, WEIGHTS
from tfdistill.data.labelled.sources import encode_splits
from tfdistill.tasks.label_heads import TEXT, TaskWithHead
from tfdistill.tasks.prepared import PreparedData
from tfdistill.tasks.task import EXAMPLES
from tfdistill.tasks.task_data import CALIBRATION_BATCHES, CALIBRATION_ROWS

INPUTS = "input_ids", "attention_mask", "token_type_ids"


class LabelledTask(TaskWithHead):
    """Base class of the tasks whose examples come with labels, in files or from the hub.

    A model is evaluated on every example of a split once, in rows of any length; measures are put
    in the order of the examples, so that models with different tokenizers can be compared.

    Attributes:
        data_kind: what the reader of the files is told: "text", "numbers", "tags" or "spans".
    """

    labels, weights = LABELS, WEIGHTS
    validation_batches = None
    same_start_key = "no_teacher"
    data_kind = ""

    # -- settings

    def of_settings(self, settings):
        return self.of_set(settings.task_data)

    def of_set(self, name):
        """The task with the primary metric of a data set.

        Args:
            name: such as "glue/mrpc"; "" or an unknown name for the task's own.

        Returns:
            A task.
        """
        from tfdistill.data.labelled.glue import glue_set

        found, known = glue_set(name), {metric.key: metric for metric in self.metrics}
        key = found.metrics[0] if found else self.primary.key
        if key == self.primary.key or key not in known:
            return self
        task = copy.copy(self)
        task.primary = known[key]
        others = [metric for metric in self.compared if metric.key != key]
        task.compared = (task.primary, *others)
        task.words = dataclasses.replace(self.words, **self.primary_words(task.primary))
        return task

    @staticmethod
    def primary_words(metric):
        """The phrases of `Words` that name the primary metric: a dict."""
        unit = f" ({metric.unit})" if metric.unit else ""
        return {
            "score": f"the student's {metric.name} is {{}}",
            "floor_score": f"the floor's {metric.name} is {{}}",
            "chart": metric.name + unit,
            "chart_note": f"{metric.name}, on the test split.",
        }

    # -- data

    def open_data(self, settings):
        from tfdistill.data.labelled.opening import open_labelled

        return open_labelled(
            self.data_kind,
            train_data=settings.train_data,
            validation_data=settings.validation_data,
            test_data=settings.test_data,
            task_data=settings.task_data,
            data_dir=settings.data_dir,
            reading=self.reading(settings),
        )

    @staticmethod
    def reading(settings):
        """The `Reading` of files that settings describe."""
        from tfdistill.data.labelled.examples import Reading

        return Reading(
            settings.text_column,
            settings.text_pair_column,
            settings.label_column,
            settings.tag_column,
            settings.data_format,
            settings.skip_bad_rows,
            settings.encoding_errors,
        )

    def labels_of(self, data):
        return tuple(data.labels)

    def of_data(self, data):
        if self.kind != TEXT:
            return self
        task = copy.copy(self)
        splits = data.splits.values()
        task.has_pairs = any(each.pair is not None for part in splits for each in part)
        return task

    def prepare(self, data, tokenizer, settings, progress=None):
        """Tokenises the examples."""

        def encode(examples):
            return self.encode(examples, tokenizer, settings.length)

        sources = encode_splits(encode, data.splits)
        digests = [data.fingerprint, *(sources[split].digest() for split in sorted(sources))]
        identity = hashlib.sha256(" ".join(digests).encode()).hexdigest()
        statistics = {split: source.facts for split, source in sources.items()}
        return PreparedData(identity, sources, statistics)

    def encode(self, examples, tokenizer, length):
        """Tokenises examples and their labels.

        Args:
            examples: list of examples of `data.labelled.examples`.
            tokenizer: the `TextTokenizer`.
            length: most tokens of a row.

        Returns:
            `EncodedExamples`.
        """
        raise NotImplementedError

    def training_batches(self, source, use, seed, settings, draws_per_row=0):
        return LabelledBatches(source, self._rows(source, settings), seed)

    def training_steps(self, source, settings):
        batches = LabelledBatches(source, self._rows(source, settings), 0)
        return max(1, math.ceil(settings.n_epoch * batches.steps_per_epoch))

    def tokens_in_step(self, source, settings):
        return LabelledBatches(source, self._rows(source, settings), 0).mean_tokens()

    @staticmethod
    def _rows(source, settings):
        parts = settings.gradient_accumulation_steps
        rows = settings.batch_size * parts
        return rows_of_lengths(source.lengths, rows, settings.tokens_per_batch, parts)

    def calibration_batches(self, source, seed):
        rows = rows_of_lengths(source.lengths, CALIBRATION_ROWS)
        batches = LabelledBatches(source, rows, seed)
        return [batches.at(number) for number in range(CALIBRATION_BATCHES)]

    def evaluation_batches(self, source):
        return LabelledEvaluationBatches(source)

    def fixed_batches(self, batches, length, limit):
        source = batches.source.with_lengths((length,))
        rows = self.chosen_rows(source, limit)
        size = evaluation_rows(length)
        chosen = [rows[start : start + size] for start in range(0, len(rows), size)]
        return FixedBatches(
            source, [source.gather(each) | {EXAMPLE: each.astype(np.int32)} for each in chosen]
        )

    def chosen_rows(self, source, limit):
        """At most `limit` rows of a source, spread over it: int64."""
        return np.unique(np.linspace(0, len(source) - 1, min(limit, len(source))).astype(np.int64))

    # -- evaluation

    def evaluate(self, score, batches, source=None):
        from tfdistill.training.evaluation import Evaluation

        measured = self.by_example(self._measured(score, batches), source)
        metrics = self.summarise(measured)
        if source is not None:
            metrics["errors"] = self.errors(measured, source)
        return Evaluation(metrics, measured["predictions"], self.row_sums(measured))

    def _measured(self, score, batches):
        """What `measure` returns for all that counts, in the order of rows and tokens.

        Returns:
            dict of arrays, with "row", the row of the source, and for labels of tokens "position".
        """
        found = []
        for batch in batches:
            places = np.nonzero(self.counts(batch))
            measured = score({name: np.asarray(array) for name, array in batch.items()})
            own = {name: np.asarray(each)[places] for name, each in measured.items()}
            own["row"] = batch[EXAMPLE][places[0]]
            found.append(own | {"position": places[1]} if len(places) > 1 else own)
        measured = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
        order = np.argsort(measured["row"], kind="stable")
        return {name: each[order] for name, each in measured.items()}

    def counts(self, batch):
        """Which entries of a batch are measured: bool, of the shape of the measures."""
        return batch[self.weights] > 0

    def by_example(self, measured, source):
        """Puts measures together by example; by default a row is an example.

        Args:
            measured: dict of arrays, with "row".
            source: the `EncodedExamples`.

        Returns:
            The dict for `summarise`, `sums` and `errors`.
        """
        return measured

    def row_sums(self, measured):
        """`RowSums` of the measures; by default each prediction is a row."""
        from tfdistill.training.paired_bootstrap import RowSums

        return RowSums(self.sums(measured), np.ones(len(measured["predictions"]), np.int64))

    def errors(self, measured, source):
        """The most confident wrong predictions, for reports.

        Args:
            measured: of `by_example`.
            source: the `EncodedExamples`.

        Returns:
            list of dicts of "text", "truth", "predicted" and "probability".
        """
        raise NotImplementedError

    def compare(self, predictions, teacher_predictions, source=None):
        """The agreement with the teacher, and examples where they disagree."""
        found = {"agreement": self.agreement(predictions, teacher_predictions)}
        if source is not None:
            found["disagreements"] = self.disagreements(predictions, teacher_predictions, source)
        return found

    def agreement(self, predictions, teacher_predictions):
        """Share of the predictions that are the teacher's: float."""
        return float(np.mean(predictions == teacher_predictions))

    def disagreements(self, predictions, teacher_predictions, source):
        """Examples that two models predict differently, for reports.

        Args:
            predictions, teacher_predictions: of two `Evaluation`s on the same examples.
            source: the `EncodedExamples`.

        Returns:
            list of dicts of "text", "truth", "student" and "teacher".
        """
        raise NotImplementedError

    # -- deployment

    def single_inputs(self, batch):
        for row in np.flatnonzero(batch["attention_mask"].any(axis=1)):
            yield {name: batch[name][row] for name in INPUTS if name in batch}, (row,), ()

    # -- reports

    def examples(self, tokenizer, source, predictors):
        chosen = spread(source.examples)
        return [
            self.shown(example)
            | {name: self.guesses(each, example) for name, each in predictors.items()}
            for example in chosen
        ]

    def shown(self, example):
        """An example for reports: a dict of "text" and "truth"."""
        raise NotImplementedError

    def guesses(self, predictor, example):
        """What a model predicts for an example of a report: list of (label, probability)."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class FixedBatches:
    """Evaluation batches that are held in memory.

    Attributes:
        source: the source of their rows.
        batches: list of dicts.
    """

    source: object
    batches: list

    def __iter__(self):
        return iter(self.batches)

    def __len__(self):
        return len(self.batches)


def spread(items, most=EXAMPLES):
    """At most so many items of a list, spread over it."""
    if not len(items):
        return []
    places = np.unique(np.linspace(0, len(items) - 1, most).astype(np.int64))
    return [items[place] for place in places]


def text_of(example):
    """A text, or both texts of a pair, for reports."""
    return example.text if example.pair is None else f"{example.text} — {example.pair}"
