"""The weights of the best point of a validation curve, on disk, and when to stop early."""

import math
from pathlib import Path

import numpy as np

from tfdistill.system.checked_tensors import (
    DamagedFileError,
    open_tensors,
    read_tensors,
    write_tensors,
)
from tfdistill.system.files import FolderInRun


def best_point(rows, metric):
    """The point of a finished validation curve whose weights `BestWeights` keeps.

    Args:
        rows: list of dicts with `step`, and at some steps `validation_loss` and the metric.
        metric: the `Metric` by which points are compared.

    Returns:
        The row; None where no row has the metric.
    """
    points = [row for row in rows if row["step"] and metric.curve_key in row]
    points = [row for row in points if not math.isnan(row[metric.curve_key])]
    sign = 1 if metric.higher_is_better else -1

    def worth(row):
        return sign * row[metric.curve_key], -row.get("validation_loss", math.inf)

    return max(points, key=worth, default=None)


class BestWeights:
    """Keeps the weights of the point with the best value of a metric.

    Of points with equal values the one with the lowest validation loss is the best.

    Each better point is stored in a file of its own. Files of earlier points are deleted only when
    a checkpoint is stored (`tidy`), so that a training that goes on from a checkpoint still has the
    best weights before it.

    Args:
        model: the Keras model in training.
        directory: folder of the stage's checkpoints.
        key: key of the metric in the rows of the curve.
        higher_is_better: whether a higher value is a better one.
        patience: points with neither a better value nor a lower validation loss after which
            training ends; 0: never.

    Attributes:
        step: step of the best point; None before the first.
    """

    def __init__(self, model, directory, key, higher_is_better, patience=0):
        self._model, self._directory, self._key = model, Path(directory), key
        self._sign, self._patience = (1 if higher_is_better else -1), patience
        self._folder = FolderInRun(self._directory)
        self._forget()

    @property
    def ended(self):
        """Whether nothing became better for `patience` points."""
        return self._patience > 0 and self._since >= self._patience

    def restore(self, rows):
        """Takes over the points of a training that goes on.

        Args:
            rows: list of the logged points up to the checkpoint.

        Raises:
            DamagedFileError: the weights of the best of them are missing, or not what was stored.
        """
        self._forget()
        for row in rows:
            self._is_better(row)
        if self.step is not None:
            self._require_sound()
        for file in self._files():
            if self.step is None or file != self._file(self.step):
                file.unlink()

    def see(self, row):
        """Looks at a new point, and stores the weights if it is the best.

        Args:
            row: dict with `step`; a row without the metric, or of step 0, is no point.
        """
        if self._is_better(row):
            weights = enumerate(self._model.weights)
            arrays = {str(number): np.asarray(each.numpy()) for number, each in weights}
            self._folder.make()
            write_tensors(self._file(self.step), arrays)

    def tidy(self):
        """Deletes the files of earlier points."""
        for file in self._files():
            if file != self._file(self.step):
                file.unlink()

    def load(self):
        """Gives the model the weights of the best point, if there was one.

        Raises:
            DamagedFileError: they are not what was stored.
        """
        if self.step is not None:
            arrays = read_tensors(self._file(self.step))
            for number, variable in enumerate(self._model.weights):
                variable.assign(arrays[str(number)])

    def _require_sound(self):
        """What is damaged is found before the training goes on."""
        file = self._file(self.step)
        if not file.is_file():
            raise DamagedFileError(file, "it is missing")
        with open_tensors(file):
            pass

    def _forget(self):
        self.step, self._value, self._since = None, -math.inf, 0
        self._loss = self._loss_of_best = math.inf

    def _is_better(self, row):
        if self._key not in row or not row["step"]:
            return False
        value, loss = self._sign * row[self._key], row.get("validation_loss", math.inf)
        # Never for NaN.
        better = value > self._value or (value == self._value and loss < self._loss_of_best)
        self._since = 0 if better or loss < self._loss else self._since + 1
        self._loss = min(self._loss, loss)
        if better:
            self.step, self._value, self._loss_of_best = row["step"], value, loss
        return better

    def _file(self, step):
        return self._directory / f"best-{step or 0:08d}.safetensors"

    def _files(self):
        return self._directory.glob("best-*.safetensors")
