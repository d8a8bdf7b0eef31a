"""Export: the student's files, checked, and timed beside the teacher's."""

import time

from tfdistill.deployment.bundle import ROWS, export_bundle
from tfdistill.deployment.latency import measure_latency
from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files
from tfdistill.run.metrics import TEACHER_FILE, TEACHER_INT8_FILE
from tfdistill.run.stages.stage import Stage

LATENCY_RUNS = 100


class Export(Stage):
    """Writes the folder that ships; the teacher's files are for the comparison alone."""

    name = "export"

    def run(self, context):
        """Exports, checks and times; an int8 file that costs too much is left out.

        Raises:
            ParityError: the float32 file does not predict what the student predicts.
        """
        started = time.perf_counter()
        line = context.console.progress(self.name, None)
        length, test = context.config.length, context.splits.test
        files, failure = export_bundle(
            context.task,
            context.models.saved("student"),
            context.directory.export,
            length,
            context.tokenizer,
            test,
            line.note,
        )
        _time_beside_teacher(context, files, line.note)
        for name, facts in files.items():
            if "agreement" in facts:
                context.console.say(
                    f"{name}: {context.task.words.agreement} as the model for "
                    f"{facts['agreement']:.1%} of {facts['positions']:,} "
                    f"{context.task.words.predictions}"
                )
        context.console.warn(filter(None, [context.models.saved("student").head.note]))
        context.finish(self.name, started, files=files, failure=str(failure) if failure else "")


def _time_beside_teacher(context, files, note):
    """Adds sizes and latencies of all files to `files`, the teacher's among them."""
    directory = context.directory
    if not directory.teacher.is_dir() or context.models.saved("teacher").head is None:
        return
    teacher_files = {TEACHER_FILE: None, TEACHER_INT8_FILE: DYNAMIC_INT8}
    note(f"converting {' and '.join(teacher_files)}, for the comparison")
    by_path = {directory.checkpoints / name: kind for name, kind in teacher_files.items()}
    export_tflite_files(context.models.saved("teacher"), by_path, context.config.length)
    paths = {name: directory.export / name for name in files}
    paths |= {path.name: path for path in by_path}
    note("timing all files")
    task, length = context.task, context.config.length
    rows = task.rows_to_time(next(iter(task.fixed_batches(context.splits.test, length, ROWS))))
    for name, milliseconds in measure_latency(paths, rows, runs=LATENCY_RUNS).items():
        size = paths[name].stat().st_size
        files[name] = files.get(name, {}) | {"bytes": size, "latency_ms": milliseconds}
    for name in teacher_files:
        paths[name].unlink()
