"""TensorBoard's event files of one stage; a resumed run writes them again, without duplicates."""

import html
import numbers
import os
import time
from pathlib import Path

from tfdistill.system.files import FolderInRun, tensorflow_os_errors

NO_CURVES = ("step", "wall_time")  # of a recorded point


class RunWriter:
    """Writes scalars and text; nothing is on disk before the first of them.

    The events are made here, since TensorFlow's own writer stamps each with the time at which it
    is written: the points of a run that goes on would all lie in the moment of its start.

    Args:
        directory: folder of the event files; TensorBoard shows its name.
        descriptions: dict of names of curves to the texts that TensorBoard shows with them.
    """

    def __init__(self, directory, descriptions=None):
        self.directory, self._descriptions = Path(directory), descriptions or {}
        self._writer, self._folder = None, FolderInRun(self.directory)

    def row(self, row):
        """Adds one point to each curve.

        Args:
            row: dict with `step`, the values at that step by the names of their curves, and
                `wall_time`, seconds since 1970; without it, it is now.

        Raises:
            OSError: the write failed.
        """
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        values = [
            scalar_pb(name, value, self._descriptions.get(name))
            for name, value in row.items()
            if name not in NO_CURVES and isinstance(value, numbers.Real)
        ]
        self._write(row["step"], row.get("wall_time"), values)

    def text(self, name, step, markdown):
        """Adds a text panel.

        Args:
            name: of the panel.
            step: int.
            markdown: its content.

        Raises:
            OSError: the write failed.
        """
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._write(step, None, [text_pb(name, markdown)])

    def replay(self, rows):
        """Starts over from recorded points: older event files of the folder are deleted.

        Args:
            rows: list of dicts as `row` takes them.

        Raises:
            OSError: a file could not be deleted or written.
        """
        self.close()
        for old in self.directory.glob("events.out.tfevents.*"):
            old.unlink()
        for row in rows:
            self.row(row)

    def close(self):
        """Completes the files; the writer may be used again."""
        if self._writer is not None:
            with tensorflow_os_errors():
                self._writer.close()
            self._writer = None

    def _write(self, step, wall_time, summaries):
        from tensorboard.compat.proto.event_pb2 import Event

        wall_time = time.time() if wall_time is None else wall_time
        with tensorflow_os_errors():
            if self._writer is None:
                self._writer = self._open(Event(wall_time=wall_time, file_version="brain.Event:2"))
            for summary in summaries:
                event = Event(wall_time=wall_time, step=step, summary=summary)
                self._writer.write(event.SerializeToString())
            self._writer.flush()

    def _open(self, version):
        """A new event file that begins with the version of its format."""
        import tensorflow as tf

        self._folder.make()
        name = f"events.out.tfevents.{time.time():.6f}.{os.getpid()}"
        writer = tf.io.TFRecordWriter(str(self.directory / name))
        writer.write(version.SerializeToString())
        return writer


def markdown_table(head, rows):
    """Writes a Markdown table for a text panel.

    Args:
        head: list of str.
        rows: iterable of lists of str.

    Returns:
        The table.
    """
    lines = [list(map(_cell, head)), ["---"] * len(head), *(map(_cell, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text):
    """Text from outside as one cell, in which nothing is HTML."""
    return html.escape(" ".join(text.split())).replace("|", "¦")


def examples_table(examples, truth):
    """Writes examples of predictions as a Markdown table for a text panel.

    Args:
        examples: list of dicts as `write_report` takes them.
        truth: heading of the right answers.

    Returns:
        str.
    """
    rows = []
    for example in examples:
        guesses = [
            ", ".join(f"{label} {share:.0%}" for label, share in example.get(name, []))
            for name in ("teacher", "student")
        ]
        rows.append([example["text"], example["truth"], *guesses])
    return markdown_table(["text", truth, "teacher", "student"], rows)
