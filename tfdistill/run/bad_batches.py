"""The batches of steps that went wrong: which examples they hold, and their content in files."""

from pathlib import Path

import numpy as np

from tfdistill.system import strict_json
from tfdistill.system.files import write_atomically

MOST_FILES = 20  # of one stage; a batch of BERT-base is about 100 kB of text


class BadBatches:
    """Names and writes the batches of a stage.

    Args:
        folder: `Path` of the folder to write to.
        stage: name of the stage.
        batches: its `TrainingBatches`, `CachedBatches` or `LabelledBatches`.
        first_step: number of the batch of step 0.
        tokenizer: the tokenizer of its ids; None: files have no text.
        writes: whether batches are written.
    """

    def __init__(self, folder, stage, batches, *, first_step, tokenizer, writes):
        self._folder, self._stage, self._batches = Path(folder), stage, batches
        self._first, self._tokenizer, self._writes = first_step, tokenizer, writes

    def rows_of(self, step):
        """The training examples in the batch of a step: a list of int, -1 for padding."""
        return self._batches.rows_of(self._first + step)[0].tolist()

    def keep(self, step):
        """Writes the batch of a step, one line of JSON for each of its rows.

        Args:
            step: its number in the stage, from 0.

        Returns:
            str, what to tell about the batch; empty if there is nothing to tell.
        """
        if not self._writes:
            return "; `dump_bad_batch` writes the batch to a file"
        file = self._folder / f"{self._stage}-step-{step + 1:08d}.jsonl"
        if len(list(self._folder.glob(f"{self._stage}-step-*.jsonl"))) >= MOST_FILES:
            return ""
        write_atomically(file, "".join(f"{line}\n" for line in self._lines(step)))
        return f"; the batch is in {file}"

    def _lines(self, step):
        batch = {
            name: np.asarray(part) for name, part in self._batches.at(self._first + step).items()
        }
        for place, row in enumerate(self.rows_of(step)):
            content = {"row": row}
            if self._tokenizer is not None:
                content["text"] = self._tokenizer.decode(batch["input_ids"][place])
            content |= {name: array[place].tolist() for name, array in batch.items()}
            yield strict_json.dumps(content)
