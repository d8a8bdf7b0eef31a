"""Answers of a teacher: its logits for every example, on disk, and for another tokenizer.

Logits of classes and scores belong to rows, (rows, outputs). Those of tags and spans belong to
tokens, (tokens, outputs): the tokens of all rows one after the other, as in `EncodedTexts`.
"""

import hashlib
import io
import re
import shutil
import time

import numpy as np

from tfdistill.data.cached_batches import ANSWERED, answer_name
from tfdistill.data.labelled.aligned_tokens import same_spans, same_words
from tfdistill.data.labelled.batches import EXAMPLE, LabelledEvaluationBatches
from tfdistill.system.arrays import open_array
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.system.kept import kept_folder, parts_folder
from tfdistill.system.stopping import postponed
from tfdistill.system.sums import file_digest

ARRAY = "logits.npy"
STORED_EVERY = 10.0  # seconds of computing that a kill loses at most
DIGITS = 16  # of the checksum in the name of a file
NAME = re.compile(r"(\d+)-(\d+)-(\w+)\.npy")  # its first batch, the one after its last, checksum


def collect_logits(logits_of, source, parts, progress=lambda done: None):
    """Computes a model's logits for every row of a source. A stop loses those of seconds.

    Args:
        logits_of: function of a batch to logits: (batch, outputs), or (batch, length, outputs).
        source: `EncodedExamples` of the model's own tokenizer, with at least one row.
        parts: `AnswerParts` of this model and source.
        progress: called with the number of rows whose logits are there.

    Returns:
        float32 (rows, outputs), or (tokens, outputs), whatever the batches.

    Raises:
        OSError: they could not be stored.
    """
    batches, done, known, ahead = LabelledEvaluationBatches(source), 0, *parts.read()
    found = []
    with postponed() as stop:
        for number in range(len(batches)):
            batch = batches.at(number)
            rows = batch[EXAMPLE][batch[EXAMPLE] >= 0]
            places, mask = _places(source, batch, rows)
            if number < ahead:
                entries, known = known[: len(places)], known[len(places) :]
            else:
                entries = np.asarray(logits_of(batch), np.float32)[mask]
                stop.unsaved = True
                parts.add(entries, number)
            found.append((places, entries))
            done += len(rows)
            if number >= ahead - 1:  # the time left is that of batches that are computed
                progress(done)
            if stop.signum is not None:
                parts.store()
                stop.unsaved = False
                stop.check()
    return _in_order(found)


def _places(source, batch, rows):
    """Where the logits of a batch belong, and which they are: int (found,), bool mask."""
    texts = source.texts
    if texts.words is None and texts.characters is None:
        return rows, batch[EXAMPLE] >= 0
    mask = batch["attention_mask"] > 0
    starts = texts.bounds[np.maximum(batch[EXAMPLE], 0)][:, None]
    return (starts + np.arange(mask.shape[1]))[mask], mask


def _in_order(found):
    """Logits by place, from a list of (places, logits)."""
    count = sum(len(places) for places, _ in found)
    ordered = np.empty((count, found[0][1].shape[-1]), np.float32)
    for places, entries in found:
        ordered[places] = entries
    return ordered


class AnswerParts:
    """Logits on disk while not all are computed: files of some batches, in order.

    The name of a file says which batches it holds, and its checksum. Others than whole files are
    not read; their logits are computed again.

    Args:
        folder: `Path`; created if anything is stored.
    """

    def __init__(self, folder):
        self._folder, self._waiting = folder, []
        self._first, self._stored = 0, time.monotonic()

    def read(self):
        """Returns (logits one batch after the other, number of the batches that they are of)."""
        found, self._first = [], 0
        for file in sorted(self._folder.glob("*.npy")):
            name = NAME.fullmatch(file.name)
            if name and int(name[1]) == self._first and file_digest(file)[:DIGITS] == name[3]:
                found.append(np.array(open_array(file)))
                self._first = int(name[2])
        return np.concatenate(found) if found else np.zeros((0, 1), np.float32), self._first

    def add(self, logits, number):
        """Takes the logits of a further batch; every few seconds they are stored."""
        self._waiting.append(logits)
        self._end = number + 1
        if time.monotonic() - self._stored >= STORED_EVERY:
            self.store()

    def store(self):
        """Stores the logits that are not on disk yet."""
        if not self._waiting:
            return
        content = io.BytesIO()
        np.save(content, np.concatenate(self._waiting), allow_pickle=False)
        digest = hashlib.sha256(content.getvalue()).hexdigest()[:DIGITS]
        name = f"{self._first:08d}-{self._end:08d}-{digest}.npy"
        write_atomically(self._folder / name, content.getvalue())
        self._first, self._waiting, self._stored = self._end, [], time.monotonic()


def kept_answers(folder, identity, compute, waiting=None):
    """Reads answers from disk, or computes and stores them.

    Args:
        folder: the folder of all stored answers; each set of them has a folder in it.
        identity: dict of what they depend on, such as digests of the teacher and of its source.
        compute: function of `AnswerParts` that returns the logits (see `collect_logits`).
        waiting: as for `system.kept.kept_folder`.

    Returns:
        float32 array.

    Raises:
        UserError: the answers are NaN or infinite; they are not stored.
        OSError: they could not be written.
    """

    def make(aside):
        parts = parts_folder(aside)
        logits = np.asarray(compute(AnswerParts(parts)), np.float32)
        if not np.isfinite(logits).all():
            shutil.rmtree(parts, ignore_errors=True)
            raise UserError("`teacher`: its logits are NaN or infinite: use another")
        np.save(aside / ARRAY, logits, allow_pickle=False)

    file = kept_folder(folder, identity, make, waiting) / ARRAY
    # Vectors of many texts are large: what no batch reads stays on disk.
    return open_array(file)


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
