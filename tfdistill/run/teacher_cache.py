"""The folder of `--teacher_cache`: what teachers said of rows, for later epochs, seeds, students.

A teacher's forward pass, and its projection to the vocabulary, is paid once for a row and a mask.
What decides the answers stands in the manifest of the folder that holds them: the teachers' weights
and shares, the rows and their masks, the precision. One number of the mask, one folder; one array
for each thing that a recipe reads, so that another recipe finds what it shares with this one.
"""

import functools
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from tfdistill.data.batches import ROW_MASK_SEED
from tfdistill.data.cached_batches import CachedBatches
from tfdistill.data.row_store import RowStore
from tfdistill.distillation.cached_signals import PREFIX, TOP_K, Answering, arrays_of
from tfdistill.distillation.ensemble import shares_of
from tfdistill.models.hugging_face.checkpoint import WEIGHTS
from tfdistill.run.sources import teacher_weights
from tfdistill.system.errors import UserError
from tfdistill.system.files import locked, write_atomically
from tfdistill.system.stopping import postponed

ASKED_AT_ONCE = 32  # rows; fewer where a step has fewer
MARKED_AFTER = 64  # askings; a stop loses no more
OPEN_STORES = 64
VERSION = 1  # of what the files mean
MANIFEST, LOCK = "manifest.json", "lock"


class TeacherCache:
    """What is kept of some rows and masks.

    Args:
        folder: `Path` of what is kept for these teachers, rows and masks.
        batches: `TrainingBatches` whose rows have masks of their own.
        teachers: list of `MaskedLanguageModel`.
        shares: of the teachers, float each.
        words: ids that the student's table has, too; None: as many as the first teacher's.
    """

    def __init__(self, folder, batches, teachers, shares, words=None):
        self._folder, self._batches = folder, batches
        self._teachers, self._shares = teachers, shares
        self._words = words or teachers[0].config.vocab_size
        # Few at a time: a store keeps a file open, and there may be thousands of masks.
        self._stores = functools.lru_cache(maxsize=OPEN_STORES)(self._open)
        self._answering = functools.cache(
            lambda *kept: Answering(self._teachers, self._shares, kept, self._words)
        )

    def fill(self, demands, console):
        """Asks the teachers for what is missing.

        Args:
            demands: list of (list of `Kept`, first step, end), one for each phase.
            console: a `Console`, which is told what is there and how it goes on.

        Raises:
            UserError: it does not fit on the disk.
        """
        needed = self._needed(demands)
        if not _any(self._missing(needed)):  # nothing to write, and nobody to wait for
            return self._fill(needed, {}, console)
        try:
            with locked(self._folder / LOCK, wait=False):
                self._fill(needed, self._missing(needed), console)
        except BlockingIOError:
            console.say(f"teacher cache {self._folder}: another run fills it; waiting")
            with locked(self._folder / LOCK):
                self._fill(needed, self._missing(needed), console)

    def batches(self, kept):
        """The batches with these things of their rows.

        Args:
            kept: list of `Kept`, of a demand that was filled.
        """
        if not kept:
            return self._batches

        def stores(number):
            return {n: s for each in kept for n, s in self._stores(int(number), each).items()}

        return CachedBatches(self._batches, stores, PREFIX)

    def bytes_per_token(self, kept):
        """What is kept of a token, on average over its row."""
        return sum(self._row_bytes(each) for each in kept) / self._batches.rows.length

    def _needed(self, demands):
        """What the steps of the phases read: dict of (mask's number, `Kept`) to bool (rows,)."""
        masks, rows = self._batches.mask_epochs, len(self._batches.rows)
        needed = {}
        for kept, first, end in demands:
            for step in range(first, end) if kept else ():
                indices, epochs = self._batches.rows_of(step)
                numbers = epochs % masks
                for number in np.unique(numbers).tolist():
                    for each in kept:
                        taken = needed.setdefault((number, each), np.zeros(rows, bool))
                        taken[indices[numbers == number]] = True
        return needed

    def _missing(self, needed):
        """Of what is needed, the rows that are not there."""
        return {
            (number, each): rows & ~self._there(number, each)
            for (number, each), rows in needed.items()
        }

    def _there(self, number, kept):
        """Which rows are there: bool (rows,), or False where there is no store yet."""
        folder = self._folder / f"mask-{number}"
        if not all(RowStore.is_there(folder, name) for name in self._arrays(kept)):
            return np.False_
        return np.all([store.there for store in self._stores(number, kept).values()], axis=0)

    def _fill(self, needed, missing, console):
        every, todo = _rows_of(needed), _rows_of(missing)
        kept = {each for _, each in needed}
        console.say(
            f"teacher cache {self._folder}: {self.bytes_per_token(kept):,.0f} bytes a token; "
            f"{every - todo:,} of {every:,} rows are there"
        )
        self._require_room(missing)
        done, line = 0, console.progress("cache", todo)
        if todo:
            line.note("compiling the teacher")
        with postponed() as stop:
            for number, kept, rows in _by_what_they_lack(missing):
                for of_these in self._ask(number, kept, rows, stop):
                    line(done + of_these, "rows")
                    if not stop.unsaved:
                        stop.check()
                done += len(rows)

    def _ask(self, number, kept, rows, stop):
        """Has rows answered and kept; yields how many of them are done.

        What was asked for before a stop is marked as being there.
        """
        size = min(ASKED_AT_ONCE, self._batches.batch_size)
        stores = {n: s for each in kept for n, s in self._stores(number, each).items()}
        for count, start in enumerate(range(0, len(rows), size), 1):
            part = rows[start : start + size]
            full = np.resize(part, size)  # filled up, so that one graph serves all
            batch = self._batches.with_row_masks(full, np.full(size, number))
            answers = self._answering(*kept)(batch)
            stop.unsaved = True
            for name, store in stores.items():
                store.write(part, answers[name][: len(part)])
            last = start + size >= len(rows) or stop.signum is not None
            if count % MARKED_AFTER == 0 or last:
                for store in stores.values():
                    store.mark()
                stop.unsaved = False
            yield start + len(part)

    def _open(self, number, kept):
        folder, rows = self._folder / f"mask-{number}", len(self._batches.rows)
        return {
            name: RowStore(folder, name, (rows, *shape), dtype)
            for name, (shape, dtype) in self._arrays(kept).items()
        }

    def _arrays(self, kept):
        width, rows = self._teachers[0].config.hidden_size, self._batches.rows
        sizes = rows.length, self._batches.masked_per_row, width, self._words
        return arrays_of(kept, *sizes)

    def _row_bytes(self, kept):
        arrays = self._arrays(kept).values()
        return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in arrays)

    def _require_room(self, missing):
        size = sum(int(rows.sum()) * self._row_bytes(kept) for (_, kept), rows in missing.items())
        free = shutil.disk_usage(self._folder).free
        if size > free:
            raise UserError(
                f"--teacher_cache={self._folder.parent}: {size / 1e9:.1f} GB are to be kept and "
                f"{free / 1e9:.1f} GB are free: name a folder on another disk, and the run goes on"
            )


def _any(rows):
    return any(each.any() for each in rows.values())


def _rows_of(needed):
    """How many rows there are, over all masks, of which anything is needed."""
    of_masks = {}
    for (number, _), rows in needed.items():
        of_masks[number] = of_masks.get(number, False) | rows
    return int(sum(rows.sum() for rows in of_masks.values()))


def _by_what_they_lack(missing):
    """Rows of a mask that lack the same things: (number, list of `Kept`, int rows) for each."""
    for number in sorted({number for number, _ in missing}):
        kept = sorted(each for n, each in missing if n == number)
        lacking = np.stack([missing[number, each] for each in kept], axis=1)  # (rows, kept)
        for pattern in np.unique(lacking, axis=0):
            if pattern.any():
                rows = np.flatnonzero((lacking == pattern).all(axis=1))
                yield number, [k for k, lacks in zip(kept, pattern, strict=True) if lacks], rows


def open_cache(config, batches, teachers, *, student, folders, precision):
    """Opens, or begins, what `--teacher_cache` keeps for a run.

    Args:
        config: a `RunConfig`.
        batches, teachers: see `TeacherCache`.
        student: `EncoderConfig`.
        folders: `Path`s that hold the teachers.
        precision: of the products.

    Returns:
        A `TeacherCache`.
    """
    shares = shares_of(len(teachers), teacher_weights(config))
    masks = "masked_lm_prob mlm_smoothing whole_word_masking length".split()
    identity = {
        "version": VERSION,
        "teachers": [_digest_of_model(folder) for folder in folders],
        "shares": shares,
        "top_k": TOP_K,
        "rows": batches.rows.digest(),
        "mask_seed": ROW_MASK_SEED,
        "precision": precision,
        **{name: getattr(config, name) for name in masks},
    }
    tables = [each.config.vocab_size for each in teachers]
    words = min(student.vocab_size, *tables)
    if words != max(tables):  # students whose tables are as long share what is kept
        identity["words"] = words
    text = json.dumps(identity, sort_keys=True, indent=1)
    folder = Path(config.teacher_cache) / hashlib.sha256(text.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MANIFEST).exists():
        with locked(folder / f"{MANIFEST}.lock"):
            write_atomically(folder / MANIFEST, text + "\n")
    return TeacherCache(folder, batches, teachers, shares, words)


def _digest_of_model(folder):
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    with open(folder / WEIGHTS, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
