"""What a masked-LM teacher predicts on the test split, kept between runs.

Students of one teacher then measure it once, whatever their recipes and shapes.
"""

import itertools
from pathlib import Path

import numpy as np

from tfdistill.data.batches import EVALUATION_SEED
from tfdistill.run.teacher_cache import digest_of_model
from tfdistill.system import hardware
from tfdistill.system.checked_tensors import read_tensors, write_tensors
from tfdistill.system.kept import kept_folder

FOLDER = "measures"  # in `shards_dir`
FILE = "measures.safetensors"
VERSION = 1  # of the arrays, and of what is measured


def measured_batches(context):
    """The evaluation of the run's saved teacher by its kept measures; missing ones are computed.

    Args:
        context: the `RunContext` of a masked-LM run without next-sentence pairs.

    Returns:
        (score, batches) for `Task.evaluate`, which calls `score` with one batch after the other; or
        (None, batches) if they could not be stored, as in a read-only folder with prepared text.
    """
    task, batches = context.task, context.splits.test

    def make(folder):
        line = context.console.progress("measures", len(batches))
        line.note("measuring the teacher")
        score, found = task.scorer(context.models.saved("teacher")), []
        for done, batch in enumerate(batches, 1):
            found.append({name: np.asarray(each) for name, each in score(batch).items()})
            line(done, "batches of the test split")
        stacked = {name: np.stack([each[name] for each in found]) for name in found[0]}
        write_tensors(folder / FILE, stacked)

    root = Path(context.config.shards_dir) / FOLDER
    told = context.tell_wait("teacher's measures")
    try:
        kept = read_tensors(kept_folder(root, _identity(context), make, told) / FILE)
    except OSError as error:
        why = error.strerror or error
        context.console.say(f"{root}: {why}: what the teacher predicts is not kept")
        return None, batches
    numbers = itertools.count()

    def score(batch):
        number = next(numbers)
        return {name: array[number] for name, array in kept.items()}

    return score, batches


def _identity(context):
    """What the measures depend on: the teacher, the rows, their fixed masks, and the device."""
    batches = context.splits.test
    return {
        "version": VERSION,
        "teacher": digest_of_model(context.directory.teacher),
        "task": context.task.name,
        "rows": batches.source.digest(),
        "rows_in_a_batch": batches.batch_size,
        "mask_seed": EVALUATION_SEED,
        "length": context.config.length,
        "device": context.machine.device,  # models are measured in float32, and not compiled
        "versions": hardware.versions(),
    }
