"""The teacher's TFLite files, which are timed beside the student's."""

import contextlib
from pathlib import Path

from tfdistill.deployment.saved_model import GRAPH
from tfdistill.deployment.tflite import export_tflite_files
from tfdistill.deployment.variants import DYNAMIC_INT8
from tfdistill.run.metrics import TEACHER_FILE, TEACHER_INT8_FILE
from tfdistill.run.teacher_cache import digest_of_model
from tfdistill.system import hardware
from tfdistill.system.kept import kept_folder

FOLDER = "teacher_files"  # in `shards_dir`
CONVERTERS = "tfdistill", "tensorflow", "keras"
FILES = {TEACHER_FILE: None, TEACHER_INT8_FILE: DYNAMIC_INT8}


@contextlib.contextmanager
def teacher_files(context, note):
    """Yields the exported files of the run's saved teacher.

    Those of a task with labels are kept in `shards_dir`, so that a further student of this teacher
    only times them. Those of masked LM are deleted in the end.

    Args:
        context: the `RunContext`.
        note: called with a description of each part of the work, before it begins.

    Yields:
        dict of the files' names to their paths; empty without a teacher that has a head.
    """
    directory = context.directory
    if not directory.teacher.is_dir() or context.models.saved("teacher").head is None:
        yield {}
        return

    def make(folder):
        note(f"converting {' and '.join(FILES)}, for the comparison")
        by_path = {folder / name: quantize for name, quantize in FILES.items()}
        export_tflite_files(context.models.saved("teacher"), by_path, context.config.length)

    if context.task.kind:
        root, told = Path(context.config.shards_dir) / FOLDER, context.tell_wait("teacher's files")
        folder = kept_folder(root, _identity(context), make, told)
        yield {name: folder / name for name in FILES}
        return
    make(directory.checkpoints)
    try:
        yield {name: directory.checkpoints / name for name in FILES}
    finally:
        for name in FILES:
            (directory.checkpoints / name).unlink()


def _identity(context):
    versions = hardware.versions()
    return {
        "teacher": digest_of_model(context.directory.teacher),
        "task": context.task.name,
        "length": context.config.length,
        "graph": GRAPH,
        "versions": {name: versions.get(name) for name in CONVERTERS},
    }
