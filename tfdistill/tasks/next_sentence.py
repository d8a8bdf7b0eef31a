"""Masked LM with the prediction of the next sentence, BERT's pre-training (`nsp`)."""

import dataclasses

import numpy as np

from tfdistill.data.sentence_pairs import (
    LABELS,
    WEIGHTS,
    HeldOutPairs,
    PairedRows,
    PairTransform,
    require_pairs,
)
from tfdistill.recipes.next_sentence import with_next_sentence
from tfdistill.tasks.masked_lm import MaskedLM
from tfdistill.tasks.metrics import Metric, share
from tfdistill.tasks.prepared import SPLITS, prepare_text, steps_for

PAIR_METRICS = (
    Metric("nsp_loss", "next-sent. loss", "nats", in_summaries=False),
    share("nsp_accuracy", "next sent."),
)
NOTE = (
    " next sent.: share of held-out pairs of segments of which the model says rightly whether the "
    "second follows the first (about half of them do)."
)


class MaskedLMWithPairs(MaskedLM):
    """Masked LM on pairs of segments; models also say whether the second follows the first.

    In training, rows are pairs (see `data.sentence_pairs`). Masked LM is measured on full rows, as
    without pairs, and pairs are measured on their own, on fixed ones.
    """

    metrics = (*MaskedLM.metrics, *PAIR_METRICS)
    curve_metrics = PAIR_METRICS
    pairs = True
    words = dataclasses.replace(MaskedLM.words, metrics=MaskedLM.words.metrics + NOTE)

    # -- data

    def open_data(self, settings):
        corpus = super().open_data(settings)
        if corpus.size is not None:  # the hub's are counted once they are here
            for documents in corpus.splits.values():
                found = sum(1 for _, document in zip(range(2), documents(), strict=False))
                require_pairs(found, settings.length)
        return corpus

    def prepare(self, data, tokenizer, settings, progress=None):
        return prepare_text(self, data, tokenizer, settings, progress, sentences=True)

    def read(self, prepared, tokenizer, settings):
        shards = {split: prepared.shard(split) for split in SPLITS}
        return {
            split: PairedRows(shard, settings.length, tokenizer) for split, shard in shards.items()
        }

    def training_batches(self, source, use, seed, settings, draws_per_row=0):
        return super().training_batches(source.pairs, use, seed, settings, draws_per_row)

    def transform(self, source, use, settings=None):
        masking = super().transform(source, use, settings)
        return masking if isinstance(source, PairedRows) else PairTransform(source, masking)

    def training_steps(self, source, settings):
        return steps_for(len(source.pairs), settings)

    # -- models

    def model(self, config, seed):
        from tfdistill.models.heads.classification import POOLER
        from tfdistill.models.model import MaskedLanguageModel

        return MaskedLanguageModel(config, seed=seed, next_sentence=POOLER)

    def load(self, directory):
        from tfdistill.models.hugging_face.checkpoint import load_model

        return load_model(directory, next_sentence=True)

    def load_for_training(self, directory, seed):
        return _complete(self.load(directory), seed)

    def initialize_student(self, teacher, config, **options):
        """Cuts a student; it takes the teacher's head of pairs if it is as wide."""
        student = super().initialize_student(teacher, config, **options)
        as_wide = teacher.config.hidden_size == config.hidden_size
        return _complete(student, options["seed"], teacher.next_sentence if as_wide else None)

    def without_teacher(self):
        return with_next_sentence(super().without_teacher())

    # -- evaluation

    def scorer(self, model, layers=None, shape=None):
        """What `evaluate` calls: masked LM of a batch, and where the model has the head, pairs."""
        return _Scorer(super().scorer(model, layers, shape), None if layers or shape else model)

    def evaluate(self, score, batches, source=None):
        """Scores a model on rows, and on as large a part of the split's pairs.

        Args:
            score: what `scorer` returned.
            batches: iterable of evaluation batches.
            source: their `PairedRows`; None to leave the pairs out.
        """
        counted = _Counted(batches)
        found = super().evaluate(score, counted, source)
        if source is not None and getattr(score, "pairs", None):
            found.metrics.update(self._measure_pairs(score.pairs, source, counted.count))
        return found

    def _measure_pairs(self, score, source, batches_read):
        from tfdistill.data.batches import EVALUATION_SEED, evaluation_rows

        batches = HeldOutPairs(source.pairs, evaluation_rows(source.length), EVALUATION_SEED)
        of_rows = len(self.evaluation_batches(source))
        found = []
        for number in range(-(-batches_read * len(batches) // of_rows)):
            batch = batches.at(number)
            valid = batch[WEIGHTS] > 0
            measured = {name: np.asarray(each)[valid] for name, each in score(batch).items()}
            found.append(np.stack([measured["loss"], measured["rank"] < 1]))
        loss, right = np.concatenate(found, axis=1).mean(axis=1, dtype=np.float64)
        return {"nsp_loss": float(loss), "nsp_accuracy": float(right)}


def _complete(model, seed, pairs=None):
    """A model with both heads.

    Args:
        model: a `MaskedLanguageModel`.
        seed: int, of fresh heads.
        pairs: the `NextSentenceHead` whose weights are copied if the model has none; None: fresh.

    Returns:
        A `MaskedLanguageModel`: the same, if it lacks nothing.
    """
    from tfdistill.models.heads.classification import POOLER
    from tfdistill.models.model import MaskedLanguageModel
    from tfdistill.starts.copied_ends import copy_weights

    if model.head is not None and model.next_sentence is not None:
        return model
    if model.next_sentence is not None:
        pairs = model.next_sentence
    pooling = POOLER if pairs is None else pairs.pooling
    made = MaskedLanguageModel(model.config, seed=seed, next_sentence=pooling)
    copy_weights(model.encoder, made.encoder)
    if model.head is not None:
        copy_weights(model.head, made.head)
    if pairs is not None:
        copy_weights(pairs, made.next_sentence)
    return made


class _Counted:
    """Batches that count how many of them were read."""

    def __init__(self, batches):
        self._batches, self.count = batches, 0

    def __iter__(self):
        for batch in self._batches:
            self.count += 1
            yield batch


class _Scorer:
    """Scores batches of masked tokens, and with `pairs` batches of pairs.

    Args:
        score: of masked tokens.
        model: a `Model`, perhaps with a `NextSentenceHead`; None to leave the pairs out.
    """

    def __init__(self, score, model):
        self._score, self.pairs = score, None
        if getattr(model, "next_sentence", None) is not None:
            self.pairs = _pair_scorer(model)

    def __call__(self, batch):
        return self._score(batch)


def _pair_scorer(model):
    """A function of a batch of pairs to the dict of `softmax_measures`."""
    from tfdistill.training.evaluation import scorer, softmax_measures

    def logits(batch, **_):
        return {"logits": model.next_sentence_logits(batch)}

    return scorer(logits, lambda found, batch: softmax_measures(found, batch[LABELS]))
