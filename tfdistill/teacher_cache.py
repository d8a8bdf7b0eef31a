"""The folder of `--teacher_cache`: what teachers said of rows, for later epochs, seeds, students.

A teacher's forward pass, and its projection to the vocabulary, is paid once for a row and a mask.
What decides the answers stands in the manifest of the folder that holds them: the teachers' weights
and shares, the text, its rows and masks, the precision. One number of the mask, one folder; one
array for each thing that a recipe reads, so that another recipe finds what it shares with this one.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from tfdistill.data.batches import ROW_MASK_SEED
from tfdistill.data.cached_batches import CachedBatches
from tfdistill.data.row_store import RowStore
from tfdistill.distillation.cached_signals import PREFIX, Answering, arrays_of
from tfdistill.distillation.ensemble import shares_of
from tfdistill.errors import UserError
from tfdistill.files import write_atomically
from tfdistill.models.checkpoint import WEIGHTS
from tfdistill.sources import teacher_weights

FILLED_AT_ONCE = 32  # rows
VERSION = 1  # of what the files mean


class TeacherCache:
    """What is kept for one run's rows.

    Args:
        folder: `Path` of what is kept for these teachers, rows and masks.
        kept: list of `Kept`.
        batches: `TrainingBatches` whose rows have masks of their own.
        teachers: list of `MaskedLanguageModel`.
        shares: of the teachers, float each.

    Attributes:
        bytes_per_token: float.
    """

    def __init__(self, folder, kept, batches, teachers, shares):
        self._folder, self._kept, self._batches = folder, kept, batches
        self._teachers, self._shares = teachers, shares
        shape = teachers[0].config
        sizes = batches.rows.length, batches.masked_per_row, shape.hidden_size, shape.vocab_size
        arrays = {}
        for each in kept:
            arrays |= arrays_of(each, *sizes)
        self._stores = [
            {
                name: RowStore(folder / f"mask-{number}", name, (len(batches.rows), *shape), dtype)
                for name, (shape, dtype) in arrays.items()
            }
            for number in range(batches.mask_epochs)
        ]
        self._row_bytes = sum(store.entry_bytes for store in self._stores[0].values())
        self.bytes_per_token = self._row_bytes / batches.rows.length

    @classmethod
    def of_run(cls, config, kept, batches, teachers, *, folders, shards, precision):
        """Opens, or begins, what `--teacher_cache` keeps for a run.

        Args:
            config: a `RunConfig`.
            kept, batches, teachers: as above.
            folders: `Path`s that hold the teachers.
            shards: name of the prepared corpus.
            precision: of the products.
        """
        shares = shares_of(len(teachers), teacher_weights(config))
        masks = "masked_lm_prob mlm_smoothing whole_word_masking length".split()
        identity = {
            "version": VERSION,
            "teachers": [_digest(folder) for folder in folders],
            "shares": shares,
            "shards": shards,
            "mask_seed": ROW_MASK_SEED,
            "precision": precision,
            **{name: getattr(config, name) for name in masks},
        }
        text = json.dumps(identity, sort_keys=True, indent=1)
        folder = Path(config.teacher_cache) / hashlib.sha256(text.encode()).hexdigest()[:16]
        write_atomically(folder / "manifest.json", text + "\n")
        return cls(folder, kept, batches, teachers, shares)

    def fill(self, steps, console):
        """Asks the teachers for what is missing of the rows of the first `steps` batches.

        Args:
            steps: int.
            console: a `Console`, which is told what is there and how it goes on.

        Raises:
            UserError: it does not fit on the disk.
        """
        needed, missing = self._find_missing(steps)
        todo = sum(map(len, missing))
        console.say(
            f"teacher cache {self._folder}: {self.bytes_per_token:,.0f} bytes a token; "
            f"{needed - todo:,} of {needed:,} rows are there"
        )
        self._require_room(todo * self._row_bytes)
        if not todo:
            return
        answering, done = Answering(self._teachers, self._shares, self._kept), 0
        line = console.progress("cache", todo)
        for number, rows in enumerate(missing):
            for start in range(0, len(rows), FILLED_AT_ONCE):
                part = rows[start : start + FILLED_AT_ONCE]
                self._answer(answering, part, number)
                done += len(part)
                line(done, "rows")

    def _answer(self, answering, rows, number):
        full = np.resize(rows, FILLED_AT_ONCE)  # filled up, so that one graph serves all
        numbers = np.full(FILLED_AT_ONCE, number)
        answers = answering(self._batches.with_row_masks(full, numbers))
        for name, store in self._stores[number].items():
            store.write(rows, answers[name][: len(rows)])

    def _find_missing(self, steps):
        """(Rows of the first batches, those that are not there: int arrays by mask's number)."""
        taken = [self._batches.rows_of(step) for step in range(steps)]
        rows = np.concatenate([rows for rows, _ in taken])
        numbers = np.concatenate([epochs for _, epochs in taken]) % self._batches.mask_epochs
        needed, missing = 0, []
        for number, stores in enumerate(self._stores):
            here = np.unique(rows[numbers == number])
            needed += len(here)
            lacking = [store.missing(here) for store in stores.values()]
            missing.append(np.unique(np.concatenate(lacking)))
        return needed, missing

    def _require_room(self, size):
        free = shutil.disk_usage(self._folder).free
        if size > free:
            raise UserError(
                f"--teacher_cache={self._folder.parent}: {size / 1e9:.1f} GB are to be kept and "
                f"{free / 1e9:.1f} GB are free: take another disk, --restrict_ce_to_mask, or fewer "
                "--cached_mask_epochs"
            )

    def batches(self):
        """The batches with what is kept of their rows."""
        return CachedBatches(self._batches, self._stores, PREFIX)


def _digest(folder):
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    with open(folder / WEIGHTS, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
