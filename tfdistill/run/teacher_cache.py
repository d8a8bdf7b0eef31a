"""The teacher cache: signals of the teachers stored on disk, for later epochs, seeds and students.

With `teacher_cache` the teachers' forward pass, and their projection to the vocabulary, run once
for each row of text and each of its masks. Layout of the cache directory:

    KEY/manifest.json            what the arrays depend on: the teachers' weights and shares, the
                                 rows and their masks, the precision; KEY is a hash of it
    KEY/mask-NUMBER/NAME.npy     one array per cached signal, with one entry per row (names and
                                 dtypes: `distillation.signals`); `RowStore` marks the rows it holds
                                 by their checksums

Recipes that read different signals share a directory: each computes the arrays that are missing.
"""

import functools
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from tfdistill.data.batches import ROW_SEED
from tfdistill.data.cached_batches import CachedBatches
from tfdistill.data.row_store import RowStore
from tfdistill.distillation.cached_signals import CacheableSignals
from tfdistill.distillation.signals import TOP_K, RowSizes
from tfdistill.distillation.teachers import PREFIX
from tfdistill.models.hugging_face import sentence_encoders
from tfdistill.models.hugging_face.checkpoint import WEIGHTS
from tfdistill.system.errors import UserError
from tfdistill.system.files import locked, write_atomically
from tfdistill.system.stopping import postponed

COMPUTED_ROWS = 32  # rows of one forward pass; fewer if a training step has fewer
MARK_INTERVAL = 64  # forward passes between two marks of finished rows; a stop loses no more
OPEN_STORES = 64
VERSION = 2  # of the format of the arrays
MANIFEST, LOCK = "manifest.json", "lock"


class TeacherCache:
    """The cached signals of some rows and masks.

    Args:
        folder: `Path` of the directory for these teachers, rows and masks.
        batches: `TrainingBatches` whose rows have draws of their own.
        teachers: `Teachers`.
        vocabulary: number of token ids that the student and the teachers have.
    """

    def __init__(self, folder, batches, teachers, vocabulary):
        self._folder, self._batches, self._teachers = folder, batches, teachers
        length, width = batches.source.length, teachers.first.config.hidden_size
        masked = batches.transform.masked_per_row(length)
        self._sizes = RowSizes(length, masked, width, vocabulary)
        # Limited: an open store holds a file open, and there may be thousands of masks.
        self._stores = functools.lru_cache(maxsize=OPEN_STORES)(self._open)
        self._compute = functools.cache(
            lambda *signals: CacheableSignals(teachers, signals, vocabulary)
        )

    def fill(self, demands, console):
        """Computes and stores the signals that are missing.

        Args:
            demands: list with one (list of cached signals, first step, end) for each phase.
            console: a `Console`, for messages and progress.

        Raises:
            UserError: the signals do not fit on the disk.
        """
        needed = self._needed(demands)
        if damaged := self._find_damaged(needed):
            console.say(f"teacher cache {self._folder}: {damaged:,} rows are damaged, made again")
        if not _any(self._missing(needed)):  # nothing to write: needs no lock
            return self._fill(needed, {}, console)
        told = f"teacher cache {self._folder}: another run fills it; waiting"
        with locked(self._folder / LOCK, waiting=lambda: console.say(told)):
            self._fill(needed, self._missing(needed), console)

    def batches(self, signals):
        """The batches with the cached signals of their rows.

        Args:
            signals: list of cached signals that `fill` has stored.

        Returns:
            `CachedBatches`; the plain batches if there are no signals.
        """
        if not signals:
            return self._batches
        return CachedBatches(
            self._batches, lambda number: self._all_stores(int(number), signals), PREFIX
        )

    def bytes_per_token(self, signals):
        """Bytes of some cached signals for one token of text."""
        return sum(self._row_bytes(each) for each in signals) / self._batches.source.length

    def _needed(self, demands):
        """Rows that the phases read: dict of (mask number, cached signal) to bool (rows,)."""
        masks, rows = self._batches.draws_per_row, len(self._batches.source)
        needed = {}
        for signals, first, end in demands:
            for step in range(first, end) if signals else ():
                indices, epochs = self._batches.rows_of(step)
                numbers = epochs % masks
                for number in np.unique(numbers).tolist():
                    for each in signals:
                        taken = needed.setdefault((number, each), np.zeros(rows, bool))
                        taken[indices[numbers == number]] = True
        return needed

    def _find_damaged(self, needed):
        """Takes damaged rows for missing; returns their number."""
        return sum(
            store.find_damaged(rows)
            for (number, each), rows in needed.items()
            if self._are_there(number, each)
            for store in self._stores(number, each).values()
        )

    def _missing(self, needed):
        """The rows of `needed` that are not stored yet: a dict like it."""
        return {
            (number, each): rows & ~self._stored(number, each)
            for (number, each), rows in needed.items()
        }

    def _stored(self, number, signal):
        """Which rows are stored: bool (rows,), or False where there is no store yet."""
        if not self._are_there(number, signal):
            return np.False_
        return np.all([store.there for store in self._stores(number, signal).values()], axis=0)

    def _are_there(self, number, signal):
        folder = self._folder / f"mask-{number}"
        return all(RowStore.is_there(folder, name) for name in signal.arrays(self._sizes))

    def _fill(self, needed, missing, console):
        all_rows, todo = _count_rows(needed), _count_rows(missing)
        signals = {each for _, each in needed}
        console.say(
            f"teacher cache {self._folder}: {self.bytes_per_token(signals):,.0f} bytes a token; "
            f"{all_rows - todo:,} of {all_rows:,} rows are there"
        )
        self._require_room(missing)
        done, line = 0, console.progress("cache", todo)
        if todo:
            line.note("compiling the teacher")
        with postponed() as stop:
            for number, signals, rows in _by_missing_signals(missing):
                for finished in self._store(number, signals, rows, stop):
                    line(done + finished, "rows")
                    if not stop.unsaved:
                        stop.check()
                done += len(rows)

    def _store(self, number, signals, rows, stop):
        """Computes and stores signals of some rows; yields the number of rows that are done.

        A stop marks the rows that are written before it ends the process.
        """
        size = min(COMPUTED_ROWS, self._batches.batch_size)
        stores = self._all_stores(number, signals)
        for count, start in enumerate(range(0, len(rows), size), 1):
            part = rows[start : start + size]
            full = np.resize(part, size)  # repeats rows to full size: one compiled graph
            batch = self._batches.with_row_draws(full, np.full(size, number))
            arrays = self._compute(*signals)(batch)
            stop.unsaved = True
            for name, store in stores.items():
                store.write(part, arrays[name][: len(part)])
            last = start + size >= len(rows) or stop.signum is not None
            if count % MARK_INTERVAL == 0 or last:
                for store in stores.values():
                    store.mark()
                stop.unsaved = False
            yield start + len(part)

    def _all_stores(self, number, signals):
        """Stores of several signals: dict of array names to `RowStore`."""
        return {n: s for each in signals for n, s in self._stores(number, each).items()}

    def _open(self, number, signal):
        folder, rows = self._folder / f"mask-{number}", len(self._batches.source)
        return {
            name: RowStore(folder, name, (rows, *shape), dtype)
            for name, (shape, dtype) in signal.arrays(self._sizes).items()
        }

    def _row_bytes(self, signal):
        arrays = signal.arrays(self._sizes).values()
        return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in arrays)

    def _require_room(self, missing):
        size = sum(int(rows.sum()) * self._row_bytes(each) for (_, each), rows in missing.items())
        free = shutil.disk_usage(self._folder).free
        if size > free:
            raise UserError(
                f"`teacher_cache`={self._folder.parent}: the cache needs {size / 1e6:,.1f} MB, and "
                f"{free / 1e6:,.1f} MB are free: free the disk, or name a folder on another one, "
                "to continue the run"
            )


def _any(rows):
    return any(each.any() for each in rows.values())


def _count_rows(needed):
    """Number of rows, over all masks, that need at least one signal."""
    by_mask = {}
    for (number, _), rows in needed.items():
        by_mask[number] = by_mask.get(number, False) | rows
    return int(sum(rows.sum() for rows in by_mask.values()))


def _by_missing_signals(missing):
    """Groups rows of a mask that lack the same signals: yields (mask number, signals, rows)."""
    for number in sorted({number for number, _ in missing}):
        signals = [each for n, each in missing if n == number]
        signals.sort(key=lambda each: each.name)
        lacking = np.stack([missing[number, each] for each in signals], axis=1)  # (rows, signals)
        for pattern in np.unique(lacking, axis=0):
            if pattern.any():
                rows = np.flatnonzero((lacking == pattern).all(axis=1))
                yield number, [s for s, lacks in zip(signals, pattern, strict=True) if lacks], rows


def open_cache(config, batches, teachers, *, student, folders, precision):
    """Opens the teacher cache of a run; creates its directory if there is none.

    Args:
        config: a `RunConfig`.
        batches: `TrainingBatches` whose rows have draws of their own.
        teachers: `Teachers`.
        student: `EncoderConfig`.
        folders: `Path`s of the teachers' checkpoints.
        precision: name of the precision that the teachers compute in.

    Returns:
        A `TeacherCache`.
    """
    masks = "masked_lm_prob mlm_smoothing whole_word_masking length".split()
    identity = {
        "version": VERSION,
        "teachers": [digest_of_model(folder) for folder in folders],
        "shares": teachers.shares,
        "top_k": TOP_K,
        "rows": batches.source.digest(),
        "mask_seed": ROW_SEED,
        "precision": precision,
        **{name: getattr(config, name) for name in masks},
    }
    vocabulary = min(student.vocab_size, teachers.vocabulary)
    if vocabulary != max(model.config.vocab_size for model in teachers.models):
        identity["words"] = vocabulary
    text = json.dumps(identity, sort_keys=True, indent=1)
    folder = Path(config.teacher_cache) / hashlib.sha256(text.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MANIFEST).exists():
        with locked(folder / f"{MANIFEST}.lock"):
            write_atomically(folder / MANIFEST, text + "\n")
    return TeacherCache(folder, batches, teachers, vocabulary)


def digest_of_model(folder):
    """SHA-256 of a saved model, its config, its weights and its pooling: a str.

    Args:
        folder: its `Path`.
    """
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for name in filter(lambda name: (folder / name).is_file(), sentence_encoders.FILES):
        digest.update((folder / name).read_bytes())
    with open(folder / WEIGHTS, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
