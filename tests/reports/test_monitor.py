"""The monitor of a training loop: its curves, plots and errors."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfdistill.reports.monitor import DistillationMonitor
from tfdistill.system.errors import UserError

LOGITS = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 0.0, 1.0], [4.0, 0.0, 0.0]])
PNG = b"\x89PNG"


class Model:
    def __init__(self, *shapes):
        self.variables = [tf.Variable(tf.zeros(shape)) for shape in shapes]


def curve(folder, name):
    """The points of a curve in the event files of a folder: list of (step, value)."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(each.step, float(tf.make_ndarray(each.tensor_proto))) for each in events.Tensors(name)]


@pytest.fixture
def monitor(tmp_path):
    return DistillationMonitor(Model((3, 4), (4,)), Model((3, 2)), tmp_path / "logs")


def test_curves_and_plots_of_classes(monitor, tmp_path):
    other = LOGITS[[0, 1, 0, 1]]  # agrees in the first two of four
    for step in (0, 10):
        logged = monitor.log_metrics(step, 2.0 - step / 10, tf.constant(0.5), LOGITS, other)
    assert logged == {"student_loss": 1.0, "distill_loss": 0.5, "agreement": 0.5}
    assert curve(tmp_path / "logs", "student_loss") == [(0, 2.0), (10, 1.0)]
    assert curve(tmp_path / "logs", "agreement") == [(0, 0.5), (10, 0.5)]
    for plot in (monitor.plot_training_progress, monitor.plot_prediction_comparison):
        assert plot().read_bytes().startswith(PNG)
    assert plot().parent == tmp_path / "logs"


@pytest.mark.parametrize(
    "teacher, student, expected",
    [
        (LOGITS, LOGITS * 2, {"agreement": 1.0}),
        (LOGITS[None], LOGITS[None, ::-1], {"agreement": 0.5}),  # logits of words
        ([0, 1, 1, 2], tf.constant([0, 1, 2, 2]), {"agreement": 0.75}),  # classes
        (np.arange(40), np.arange(40), {"agreement": 1.0}),
        ([[0.5], [1.0]], [[0.0], [2.0]], {"mean_distance": 0.75}),  # regression
        ([1.5], [1.5], {"mean_distance": 0.0}),
        (tf.constant(LOGITS, "bfloat16"), LOGITS, {"agreement": 1.0}),
    ],
)
def test_kinds_of_predictions(monitor, teacher, student, expected):
    logged = monitor.log_metrics(3, 1, 1, teacher, student)
    assert logged == {"student_loss": 1.0, "distill_loss": 1.0} | expected
    assert monitor.plot_prediction_comparison().is_file()


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"step": -1}, "step=-1: give a whole number"),
        ({"step": 1.5}, "step=1.5"),
        ({"student_loss": [1.0, 2.0]}, "student_loss has the shape (2,): give one number"),
        ({"distill_loss": "low"}, "distill_loss"),
        ({"teacher_predictions": LOGITS[:2]}, "have the shape (2, 3), and student_predictions"),
        ({"student_predictions": ["sea"]}, "student_predictions: give an array of logits"),
        ({"teacher_predictions": []}, "teacher_predictions: give an array"),
        ({"teacher_predictions": np.ones((4, 3), int)}, "are of two kinds"),
    ],
)
def test_wrong_values(monitor, changes, words):
    given = dict(step=1, student_loss=1.0, distill_loss=1.0, teacher_predictions=LOGITS)
    with pytest.raises(UserError) as error:
        monitor.log_metrics(**(given | {"student_predictions": LOGITS} | changes))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_nothing_to_plot(monitor, tmp_path):
    with pytest.raises(UserError, match="call log_metrics first"):
        monitor.plot_training_progress()
    with pytest.raises(UserError, match="call log_metrics first"):
        monitor.plot_prediction_comparison()
    with pytest.raises(UserError, match="student_model is a str: give a model"):
        DistillationMonitor(Model((2,)), "student", tmp_path)
    assert not (tmp_path / "logs").exists()
