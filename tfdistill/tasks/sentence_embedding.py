"""Sentence embedding: a vector for each text; the likeness of two texts is their cosine."""

import copy

import numpy as np

from tfdistill.data.labelled.batches import EXAMPLE
from tfdistill.data.labelled.sources import encode_pairs
from tfdistill.system.errors import UserError
from tfdistill.tasks.embedded_words import WORDS, overlap
from tfdistill.tasks.prepared import open_text
from tfdistill.tasks.regression import ERROR, PEARSON, SPEARMAN, Regression


class SentenceEmbedding(Regression):
    """Each text has a vector. The cosine of two texts is compared with a score of people.

    The metric is the rank correlation of cosines and scores. Texts of a corpus have no scores; then
    the cosines of a file are compared with those of its model (see `against`). The floor is the
    share of words that two texts have in common.

    Attributes:
        scores: (least, largest) score of the data; None for data without scores.
        reference: float64 (pairs,), the cosines of the model that a file was made from, for data
            without scores; else None.
    """

    name = "sentence_embedding"
    is_trained, takes_pooling = False, True
    metrics = compared = (SPEARMAN, PEARSON, ERROR)
    primary = SPEARMAN
    words = WORDS
    scores = reference = None

    # -- data

    def of_set(self, name):
        return self

    def open_data(self, settings):
        """Opens pairs with scores; without such data, the corpus."""
        files = settings.train_data, settings.validation_data, settings.test_data
        if any(files) or settings.task_data:
            return super().open_data(settings)
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
        return encode_pairs(examples, tokenizer, length, self.scores)

    def chosen_rows(self, source, limit):
        """The rows of some pairs, at most `limit`, spread over the split."""
        pairs = super().chosen_rows(source.examples, max(1, limit // 2))
        return np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()

    # -- models

    def head(self, config):
        from tfdistill.models.heads.embedding import MEAN, EmbeddingHead

        return EmbeddingHead(config, self.pooling or MEAN)

    def load(self, directory):
        """Loads a `Model` of any directory with an encoder.

        Raises:
            UserError: a file is missing or damaged, or the encoder has parts or a pooling that are
                not supported.
        """
        from tfdistill.models.heads.embedding import EmbeddingHead
        from tfdistill.models.hugging_face.checkpoint import load_model, resolve_directory

        folder = resolve_directory(directory)

        def head(config, values):
            return EmbeddingHead.of_folder(folder, config, self.pooling)

        return load_model(folder, head=head)

    def bound_to(self, model, known=()):
        return self

    def require_order(self, model):
        """Accepts a model in memory: it has no classes."""

    # -- evaluation

    def measure(self, logits, batch):
        return {"vectors": logits, "labels": batch[self.labels]}

    def evaluate(self, score, batches, source=None):
        if self.scores is None and self.reference is None:
            raise UserError("`test_data` is empty: name pairs of texts with scores, or `task_data`")
        return super().evaluate(score, batches, source)

    def by_example(self, measured, source):
        """The cosine of each pair; its "row" is the number of the pair."""
        found = cosines(measured["vectors"][::2], measured["vectors"][1::2])
        return self._compared(found, measured["row"][::2] // 2, measured["labels"][::2])

    def _compared(self, found, pairs, labels):
        labels = labels if self.reference is None else self.reference
        loss = (found - labels) ** 2
        return {"predictions": found, "labels": labels, "loss": loss, "row": pairs}

    def floor(self, source, batches, held_out=None):
        """Scores the share of words that two texts have in common."""
        from tfdistill.training.evaluation import Evaluation

        pairs = np.flatnonzero(held_out.row_array(self.weights)[::2] > 0)
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
        if self.scores is not None:
            return self
        rows = np.concatenate([batch[EXAMPLE] for batch in batches])
        vectors = np.concatenate(logits)[np.argsort(rows, kind="stable")]
        task = copy.copy(self)
        task.reference = cosines(vectors[::2], vectors[1::2])
        return task

    def file_agreement(self, file, model):
        """The mean cosine of a file's vectors and its model's."""
        return float(cosines(*(np.concatenate(logits) for _, logits in (file, model))).mean())

    # -- reports

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
