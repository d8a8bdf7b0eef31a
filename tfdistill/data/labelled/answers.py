"""Answers of a teacher: its logits for every example, on disk, and for another tokenizer.

Logits of classes and scores belong to rows, (rows, outputs). Those of tags and spans belong to
tokens, (tokens, outputs): the tokens of all rows one after the other, as in `EncodedTexts`.
"""

import numpy as np

from tfdistill.data.cached_batches import ANSWERED, answer_name
from tfdistill.data.labelled.aligned_tokens import same_spans, same_words
from tfdistill.data.labelled.batches import EXAMPLE, LabelledEvaluationBatches
from tfdistill.system.errors import UserError
from tfdistill.system.kept import kept_folder

ARRAY = "logits.npy"


def collect_logits(logits_of, source):
    """Computes a model's logits for every row of a source.

    Args:
        logits_of: function of a batch to logits: (batch, outputs), or (batch, length, outputs).
        source: `EncodedExamples` of the model's own tokenizer, with at least one row.

    Returns:
        float32 (rows, outputs), or (tokens, outputs), whatever the batches.
    """
    found = None
    for batch in LabelledEvaluationBatches(source):
        logits, rows = np.asarray(logits_of(batch), np.float32), batch[EXAMPLE]
        by_token = logits.ndim == 3
        if found is None:
            count = len(source.texts.ids) if by_token else len(source)
            found = np.empty((count, logits.shape[-1]), np.float32)
        if by_token:
            mask = batch["attention_mask"] > 0
            places = source.texts.bounds[rows][:, None] + np.arange(mask.shape[1])
            found[places[mask]] = logits[mask]
        else:
            found[rows[rows >= 0]] = logits[rows >= 0]
    return found


def kept_answers(folder, identity, compute, waiting=None):
    """Reads answers from disk, or computes and stores them.

    Args:
        folder: the folder of all stored answers; each set of them has a folder in it.
        identity: dict of what they depend on, such as digests of the teacher and of its source.
        compute: function without arguments that returns the logits (see `collect_logits`).
        waiting: as for `system.kept.kept_folder`.

    Returns:
        float32 array.

    Raises:
        UserError: the answers are NaN or infinite; they are not stored.
        OSError: they could not be written.
    """

    def make(aside):
        logits = np.asarray(compute(), np.float32)
        if not np.isfinite(logits).all():
            raise UserError("`teacher`: its logits are NaN or infinite: use another")
        np.save(aside / ARRAY, logits, allow_pickle=False)

    file = kept_folder(folder, identity, make, waiting) / ARRAY
    # Vectors of many texts are large: what no batch reads stays on disk.
    return np.load(file, mmap_mode="r", allow_pickle=False)


def with_answers(source, teacher_source, *answers):
    """Adds teachers' answers to the batches of a source, whose tokenizer may be another one.

    Answers of rows are taken as they are. Of tags, the first piece of a word gets the logits of the
    teacher's first piece of this word. Of spans, see `aligned_tokens.same_spans`.

    Args:
        source: `EncodedExamples` of the student's tokenizer.
        teacher_source: the same examples, of the teachers' tokenizer.
        *answers: the logits of each teacher (see `collect_logits`).

    Returns:
        `EncodedExamples` whose batches also have `cached/logits`, in the shape of the student's
        logits, those of further teachers as `cached/logits-1` and so on, and for tags and spans
        `cached/answered`, float32 (batch, length): 1 for tokens with an answer of the teachers,
        which may have cut a text elsewhere.

    Raises:
        ValueError: the sources do not have the same examples.
    """
    student, teacher = source.texts, teacher_source.texts
    if student.examples.max(initial=-1) != teacher.examples.max(initial=-1):
        raise ValueError("the sources have different numbers of examples")
    if student.words is None and student.characters is None:
        return source.with_arrays(per_row=_named(answers))
    tokens = (same_words if student.words is not None else same_spans)(student, teacher)
    answered = (tokens >= 0).all(axis=1)
    values = [
        np.where(answered[:, None], _taken(each, tokens), 0).astype(np.float32) for each in answers
    ]
    return source.with_arrays(per_token=_named(values) | {ANSWERED: answered.astype(np.float32)})


def _named(answers):
    return {answer_name(number): each for number, each in enumerate(answers)}


def _taken(logits, tokens):
    """Logits of the teacher's tokens: of one token for all outputs, or of one for each output."""
    if tokens.shape[1] == 1:
        return logits[tokens[:, 0]]
    return np.take_along_axis(logits, np.maximum(tokens, 0), axis=0)
