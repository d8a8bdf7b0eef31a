"""Follows a distillation in the user's own training loop: TensorBoard curves and plots."""

import numbers
from pathlib import Path

import numpy as np

from tfdistill.reports.svg import COLOURS, LINE, SOFT
from tfdistill.reports.tensorboard import RunWriter, markdown_table
from tfdistill.system.errors import UserError

MOST_CLASSES = 20  # in a plot of predictions
AGREEMENT, DISTANCE = "agreement", "mean_distance"
_TITLES = {
    AGREEMENT: "Share of the teacher's predictions",
    DISTANCE: "Mean distance to the teacher",
}


class DistillationMonitor:
    """Logs how a student comes closer to its teacher, in a training loop of your own.

    A run of `train_model` has all this, and more, in its report.

    Args:
        teacher_model, student_model: Keras models, or others with `variables`; their numbers of
            weights are logged.
        log_dir: folder of TensorBoard's event files and of the plots.

    Raises:
        UserError: a model has no `variables`.

    Example:
        import tfdistill

        teacher = tfdistill.load_model("runs/mini/teacher")
        student = tfdistill.load_model("runs/mini/student")
        monitor = tfdistill.DistillationMonitor(teacher, student, log_dir="runs/monitor")
        batch = [[2, 50, 60, 3], [2, 51, 61, 3]]
        for step in range(3):  # of the training
            monitor.log_metrics(
                step=step,
                student_loss=5.3 - 0.1 * step,
                distill_loss=0.7 - 0.1 * step,
                teacher_predictions=teacher(batch)["logits"],
                student_predictions=student(batch)["logits"],
            )
        monitor.plot_training_progress()
        monitor.plot_prediction_comparison()
    """

    def __init__(self, teacher_model, student_model, log_dir="distillation_logs"):
        sizes = {
            name: _weights(model, f"{name}_model")
            for name, model in {"teacher": teacher_model, "student": student_model}.items()
        }
        self._directory = Path(log_dir).expanduser()
        self._writer = RunWriter(self._directory)
        self._rows, self._latest, self._sizes = [], None, sizes

    def log_metrics(
        self, step, student_loss, distill_loss, teacher_predictions, student_predictions
    ):
        """Logs one point of the curves.

        Args:
            step: int, 0 or more.
            student_loss: the student's loss on the labels, a number.
            distill_loss: its distance to the teacher, a number.
            teacher_predictions, student_predictions: arrays of one shape: logits or probabilities,
                floats (..., classes); classes, integers (...); or the numbers of a regression,
                floats (batch,) or (batch, 1).

        Returns:
            dict of what was logged: the losses; and "agreement", the share of equal classes, or
            "mean_distance" of numbers.

        Raises:
            UserError: the predictions do not fit each other, or a value is of another type.
            OSError: the folder cannot be written.
        """
        if not isinstance(step, numbers.Integral) or isinstance(step, bool) or step < 0:
            raise UserError(f"step={step!r}: give a whole number, 0 or more")
        row = {
            "student_loss": _number(student_loss, "student_loss"),
            "distill_loss": _number(distill_loss, "distill_loss"),
        }
        teacher, student = _compared(teacher_predictions, student_predictions)
        if teacher.dtype.kind == "f":
            row[DISTANCE] = float(np.mean(np.abs(teacher - student)))
        else:
            row[AGREEMENT] = float(np.mean(teacher == student))
        if not self._rows:
            self._writer.text("models", 0, self._models())
        self._writer.row({"step": int(step)} | row)
        self._rows.append({"step": int(step)} | row)
        self._latest = teacher, student
        return row

    def plot_training_progress(self):
        """Draws the losses, and the agreement with the teacher, by step.

        Returns:
            `pathlib.Path` of the PNG file, `training_progress.png` in the log folder.

        Raises:
            UserError: nothing was logged.
            OSError: the file cannot be written.
        """
        self._require_points()
        panels = [
            ("Losses", ("student_loss", "distill_loss")),
            *((title, (key,)) for key, title in _TITLES.items()),
        ]
        known = {key for row in self._rows for key in row}
        panels = [(title, keys) for title, keys in panels if known.intersection(keys)]

        def draw(figure):
            grid = figure.subplots(1, len(panels), squeeze=False)[0]
            for axes, (title, keys) in zip(grid, panels, strict=True):
                for key, colour in zip(keys, ("student", "teacher"), strict=False):
                    rows = [row for row in self._rows if key in row]
                    points = [row["step"] for row in rows], [row[key] for row in rows]
                    mark = "o" if len(rows) < 30 else None
                    axes.plot(*points, marker=mark, ms=3.5, color=COLOURS[colour], label=key)
                axes.set(title=title, xlabel="step")
                axes.grid(axis="y", color=LINE)
            grid[0].legend(frameon=False)

        return self._save("training_progress", 5 * len(panels), 3.6, draw)

    def plot_prediction_comparison(self):
        """Draws the latest predictions of the student against the teacher's.

        Classes are drawn as a table of counts, of the 20 that are predicted most; numbers as
        points.

        Returns:
            `pathlib.Path` of the PNG file, `prediction_comparison.png` in the log folder.

        Raises:
            UserError: nothing was logged.
            OSError: the file cannot be written.
        """
        self._require_points()
        row = self._rows[-1]
        key = DISTANCE if DISTANCE in row else AGREEMENT
        drawn = _draw_numbers if key == DISTANCE else _draw_classes

        def draw(figure):
            axes = figure.subplots()
            drawn(axes, *self._latest)
            title = f"Step {row['step']}: {key.replace('_', ' ')} {row[key]:.3g}"
            axes.set(title=title, xlabel="student", ylabel="teacher")

        return self._save("prediction_comparison", 6, 5.4, draw)

    def _require_points(self):
        if not self._rows:
            raise UserError("there is nothing to plot: call log_metrics first")

    def _models(self):
        teacher, student = self._sizes["teacher"], self._sizes["student"]
        rows = [["teacher", f"{teacher:,}"], ["student", f"{student:,}"]]
        return markdown_table(["model", "weights"], rows)

    def _save(self, name, width, height, draw):
        from matplotlib.figure import Figure

        figure = Figure((width, height), layout="constrained")
        draw(figure)
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(colors=SOFT)
        path = self._directory / f"{name}.png"
        figure.savefig(path, dpi=150)
        return path


def _weights(model, name):
    """The number of a model's weights."""
    if not hasattr(model, "variables"):
        raise UserError(
            f"{name} is a {type(model).__name__}: give a model, with its weights in `.variables`"
        )
    return sum(int(np.prod(tuple(variable.shape))) for variable in model.variables)


def _array(value):
    """An array of NumPy's own types: of bfloat16 it knows neither kind nor order."""
    found = np.asarray(value)
    return found.astype(np.float32) if found.dtype.name == "bfloat16" else found


def _number(value, name):
    found = _array(value)
    if found.size != 1 or found.dtype.kind not in "fiu":
        raise UserError(f"{name} has the shape {found.shape}: give one number, such as the mean")
    return float(found.item())


def _compared(teacher, student):
    """The predictions of both models: integers of classes, or floats of numbers, (labels,)."""
    given = [_array(teacher), _array(student)]
    for name, each in zip(("teacher", "student"), given, strict=True):
        if each.dtype.kind not in "fiu" or not each.size or not each.ndim:
            raise UserError(
                f"{name}_predictions: give an array of logits, of classes or of numbers, not "
                f"{type((teacher, student)[name == 'student']).__name__} of shape {each.shape}"
            )
    one, other = (np.shape(each) for each in given)
    if one != other:
        raise UserError(
            f"teacher_predictions have the shape {one}, and student_predictions {other}: give both "
            "for the same examples and classes"
        )
    if (given[0].dtype.kind == "f") != (given[1].dtype.kind == "f"):
        raise UserError(
            "teacher_predictions and student_predictions are of two kinds: give logits of both, or "
            "classes of both"
        )
    if given[0].dtype.kind == "f" and given[0].ndim > 1 and one[-1] > 1:
        given = [each.argmax(axis=-1) for each in given]
    return [each.ravel() for each in given]


def _draw_numbers(axes, teacher, student):
    ends = [min(teacher.min(), student.min()), max(teacher.max(), student.max())]
    axes.plot(ends, ends, color=LINE)
    axes.plot(student, teacher, "o", ms=4, color=COLOURS["student"])


def _draw_classes(axes, teacher, student):
    classes, counts = np.unique(np.concatenate([teacher, student]), return_counts=True)
    # A stable sort: among classes with one count, the lower ones are drawn.
    shown = np.sort(classes[np.argsort(-counts, kind="stable")[:MOST_CLASSES]])
    table = [[np.sum((teacher == t) & (student == s)) for s in shown] for t in shown]
    axes.imshow(table, cmap="Blues", vmin=0)
    axes.set_xticks(range(len(shown)), shown, rotation=90 if len(shown) > 8 else 0)
    axes.set_yticks(range(len(shown)), shown)
    most = np.max(table)
    for row, column in np.argwhere(np.asarray(table) > 0):
        ink = "white" if table[row][column] > most / 2 else SOFT
        axes.text(column, row, table[row][column], ha="center", va="center", color=ink, fontsize=8)
