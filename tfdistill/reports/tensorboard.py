"""TensorBoard's event files of one stage; a resumed run writes them anew, no point twice."""

import contextlib
import numbers
from pathlib import Path

from tfdistill.files import tensorflow_os_errors


class RunWriter:
    """Writes scalars and text; nothing is on disk before the first of them.

    Args:
        directory: folder of the event files; TensorBoard shows its name.
    """

    def __init__(self, directory):
        self.directory = Path(directory)
        self._writer = None

    def scalars(self, step, values):
        """Adds one point to each named curve.

        Args:
            step: int.
            values: dict of names to numbers.

        Raises:
            OSError: the write failed.
        """
        import tensorflow as tf

        with self._writing():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def text(self, name, step, markdown):
        """Adds a text panel.

        Args:
            name: of the panel.
            step: int.
            markdown: its content.

        Raises:
            OSError: the write failed.
        """
        import tensorflow as tf

        with self._writing():
            tf.summary.text(name, markdown, step=step)

    def replay(self, rows):
        """Starts over from recorded points: older event files of the folder are deleted.

        Args:
            rows: list of dicts, each with `step` and the values at that step.

        Raises:
            OSError: a file could not be deleted or written.
        """
        self.close()
        for old in self.directory.glob("events.out.tfevents.*"):
            old.unlink()
        for row in rows:
            self.scalars(
                row["step"],
                {
                    name: value
                    for name, value in row.items()
                    if name != "step" and isinstance(value, numbers.Real)
                },
            )

    def close(self):
        """Completes the files; the writer may be used again."""
        if self._writer is not None:
            with tensorflow_os_errors():
                self._writer.close()
            self._writer = None

    @contextlib.contextmanager
    def _writing(self):
        import tensorflow as tf

        with tensorflow_os_errors():
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self.directory))
            with self._writer.as_default():
                yield
            self._writer.flush()
