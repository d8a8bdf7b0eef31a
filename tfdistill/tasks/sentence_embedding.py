"""Sentence embedding: a vector for each text; the likeness of two texts is their cosine."""

import copy
from types import MappingProxyType

import numpy as np

from tfdistill.data.labelled.batches import EXAMPLE
from tfdistill.data.labelled.sources import encode_pairs, encode_sentences
from tfdistill.system.errors import UserError
from tfdistill.tasks.embedded_words import WORDS, overlap
from tfdistill.tasks.prepared import open_text
from tfdistill.tasks.regression import ERROR, PEARSON, SPEARMAN, Regression
from tfdistill.tasks.score_metrics import correlations


class SentenceEmbedding(Regression):
    """Each text has a vector. The cosine of two texts is compared with a score of people.

    A student learns the vectors of a teacher, on texts without labels. The metric is the rank
    correlation of cosines and scores. Pairs without scores get the teacher's cosines as such
    (`labelled_by`); where there is no teacher, the cosines of a file are compared with those of its
    model (`against`). The floor is the share of words that two texts have in common.

    Attributes:
        scores: (least, largest) score of the data; None for data without scores.
        reference: float64 (pairs,), the cosines of the model that a file was made from, for data
            without scores; else None.
        fresh: dict of what fresh heads have, that of the teacher; empty without one.
    """

    name = "sentence_embedding"
    learns_labels, takes_pooling = False, True
    hard_loss, distillation_losses = "", MappingProxyType({})
    metrics = compared = (SPEARMAN, PEARSON, ERROR)
    primary = SPEARMAN
    same_start_key = "student_start"  # without a teacher there is nothing to learn
    words = WORDS
    scores = reference = None
    fresh = MappingProxyType({})

    # -- data

    def of_set(self, name):
        return self

    def open_data(self, settings):
        """Opens sentences to learn from, and pairs to be measured on."""
        from tfdistill.data.labelled.sentences import as_sentences, open_sentences

        if settings.task_data:
            return as_sentences(super().open_data(settings))
        names = ("train", "validation", "test")
        files = {split: getattr(settings, f"{split}_data") for split in names}
        corpus = None if settings.train_data else open_text(settings)
        return open_sentences(files, self.reading(settings), corpus, settings.length)

    def open_held_out(self, settings):
        """Opens pairs with scores; without such data, the corpus."""
        if settings.train_data:
            return self.open_data(settings)
        if settings.task_data:
            return super().open_data(settings)
        if named := settings.test_data or settings.validation_data:
            from tfdistill.data.labelled.opening import open_labelled

            return open_labelled("numbers", test_data=named, reading=self.reading(settings))
        from tfdistill.data.labelled.text_pairs import pairs_of_corpus

        return pairs_of_corpus(open_text(settings), settings.length)

    def of_data(self, data):
        task = copy.copy(self)
        labels = [each.label for part in data.splits.values() for each in part]
        known = [label for label in labels if label is not None]
        task.scores = (min(known), max(known)) if known else None
        if known and task.scores[0] == task.scores[1]:
            raise UserError(f"{data.name}: all scores are {known[0]:g}: set `label_column`")
        return task

    def encode(self, examples, tokenizer, length):
        if all(each.pair is None and each.label is None for each in examples):
            return encode_sentences(examples, tokenizer, length)
        return encode_pairs(examples, tokenizer, length, self.scores)

    def lacks_labels(self, source):
        return bool(np.isnan(source.row_array(self.labels)).all())

    def labelled_by(self, source, answers):
        """Gives pairs without scores the cosines of a teacher.

        Args:
            source: `EncodedExamples` of pairs.
            answers: float32 (rows, width), the teacher's vectors.

        Returns:
            `EncodedExamples`.
        """
        found = cosines(answers[::2], answers[1::2]).astype(np.float32)
        return source.with_arrays(per_row={self.labels: found.repeat(2)})

    def chosen_rows(self, source, limit):
        """At most `limit` rows, spread over the split; of pairs, both rows of each."""
        if len(source) == len(source.examples):  # texts to learn from
            return super().chosen_rows(source, limit)
        pairs = super().chosen_rows(source.examples, max(1, limit // 2))
        return np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()

    # -- models

    def taught_by(self, teacher, length):
        """The task whose fresh heads make vectors as a teacher does.

        Args:
            teacher: Hugging Face directory or hub name.
            length: most tokens of a text in training.
        """
        from tfdistill.models.hugging_face.checkpoint import describe_head, resolve_directory

        head = describe_head(teacher, self._reader(resolve_directory(teacher)))
        task = copy.copy(self)
        task.fresh = dict(pooling=head.pooling, normalize=head.normalize, max_length=length)
        return task

    def head(self, config):
        from tfdistill.models.heads.embedding import MEAN, EmbeddingHead

        return EmbeddingHead(config, **{"pooling": self.pooling or MEAN, **self.fresh})

    def load(self, directory):
        """Loads a `Model` of any directory with an encoder.

        Raises:
            UserError: a file is missing or damaged, or the encoder has parts or a pooling that are
                not supported.
        """
        from tfdistill.models.hugging_face.checkpoint import load_model, resolve_directory

        folder = resolve_directory(directory)
        return load_model(folder, head=self._reader(folder))

    def describe(self, directory):
        from tfdistill.models.hugging_face.checkpoint import describe_model, resolve_directory

        folder = resolve_directory(directory)
        return describe_model(folder, head=self._reader(folder))

    def _reader(self, folder):
        """A function of a config and its file's content to the head of a folder."""
        from tfdistill.models.heads.embedding import EmbeddingHead

        return lambda config, values: EmbeddingHead.of_folder(folder, config, self.pooling)

    def set_prior(self, model, source):
        """Leaves the model as it is: its head has no weights."""

    def bound_to(self, model, known=()):
        return self

    def require_order(self, model):
        """Accepts a model in memory: it has no classes."""

    # -- evaluation

    def measure(self, logits, batch):
        return {"vectors": logits, "labels": batch[self.labels]}

    def agreement(self, predictions, teacher_predictions):
        """Spearman's correlation with the teacher's cosines."""
        return correlations(predictions, teacher_predictions)[1]

    def by_example(self, measured, source):
        """The cosine of each pair; its "row" is the number of the pair."""
        found = cosines(measured["vectors"][::2], measured["vectors"][1::2])
        return self._compared(found, measured["row"][::2] // 2, measured["labels"][::2])

    def _compared(self, found, pairs, labels):
        labels = labels if self.reference is None else self.reference
        if np.isnan(labels).all():
            raise UserError("`test_data` is empty: name pairs of texts with scores, or `task_data`")
        loss = (found - labels) ** 2
        return {"predictions": found, "labels": labels, "loss": loss, "row": pairs}

    def floor(self, source, batches, held_out=None):
        """Scores the share of words that two texts have in common."""
        from tfdistill.training.evaluation import Evaluation

        pairs = self.measured_examples(held_out)
        found = np.array([overlap(held_out.examples[pair]) for pair in pairs])
        measured = self._compared(found, pairs, held_out.row_array(self.labels)[2 * pairs])
        metrics = self.summarise(measured)
        metrics.pop("notes", None)
        return Evaluation(metrics, found, self.row_sums(measured))

    # -- deployment

    def against(self, logits, batches):
        """The task that compares a file with its model.

        Args:
            logits: list of the model's vectors, float32 (batch, width), one for each batch.
            batches: of `fixed_batches`.

        Returns:
            A `Task`: without scores, the model's cosines are the labels.
        """
        rows = np.concatenate([batch[EXAMPLE] for batch in batches])
        labels = np.concatenate([batch[self.labels] for batch in batches])
        if not np.isnan(labels).all():
            return self
        vectors = np.concatenate(logits)[np.argsort(rows, kind="stable")]
        task = copy.copy(self)
        task.reference = cosines(vectors[::2], vectors[1::2])
        return task

    def file_agreement(self, file, model):
        """The mean cosine of a file's vectors and its model's."""
        return float(cosines(*(np.concatenate(logits) for _, logits in (file, model))).mean())

    # -- reports

    def measured_examples(self, source):
        return np.flatnonzero(source.row_array(self.weights)[::2] > 0)

    def guesses(self, predictor, example):
        (found,) = predictor.predict([example.text], [example.pair])
        return [(f"{found['cosine']:.3g}", 1.0)]


def cosines(first, second):
    """The cosines of the rows of two arrays.

    Args:
        first, second: float (rows, width).

    Returns:
        float64 (rows,); 0 for rows of zeros.
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / np.where(lengths > 0, lengths, 1.0)
