"""The same training computed in two ways: whether they agree, and how fast each is."""

import dataclasses
import math
import statistics
import time

from tfdistill.system import devices

STEPS = 50
NO_NUMBERS = "it computes numbers that are none"
# How far two ways may part: (loss, gradient norm), as shares. Rounding grows with every step, and
# sixteen bits round a thousand times as much as float32 does.
TOLERANCES = {"float32": (0.001, 0.02), "bfloat16": (0.01, 0.1), "float16": (0.01, 0.1)}
# Low enough for no step to overflow: where one is skipped, all later ones differ.
LOSS_SCALE = 2.0**8
SMOOTHED = 10  # steps: the single ones of a batch size this small jump about


@dataclasses.dataclass(frozen=True)
class Way:
    """How steps are computed.

    Args:
        name: for people.
        choice: a `devices.Choice`.
    """

    name: str
    choice: devices.Choice


@dataclasses.dataclass(frozen=True)
class Course:
    """What a training left.

    Args:
        losses: floats, by step.
        gradient_norms: floats, by step.
        tokens_per_second: median of the second half of the steps.
    """

    losses: tuple
    gradient_norms: tuple
    tokens_per_second: float

    @property
    def is_finite(self):
        """Whether all of it are numbers."""
        return all(map(math.isfinite, (*self.losses, *self.gradient_norms)))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How two courses differ.

    Args:
        loss: largest difference of the losses, as a share.
        gradient_norm: the same of the gradient norms.
        problem: what is wrong, for people; "" when nothing is.
    """

    loss: float
    gradient_norm: float
    problem: str


def ways(choice):
    """What there is to compare on a machine.

    Args:
        choice: the `devices.Choice` of this machine.

    Returns:
        A list of `Way`s: the reference, plain float32 steps on the CPU, first; the chosen one last.
    """
    plain = devices.Choice("cpu", "float32", False, False, 1, "the reference")
    found = [Way("cpu, plain", plain)]
    name = choice.device
    if choice.precision != "float32":
        name += f", {choice.precision}"
    if choice.jit_compile:
        name += ", XLA"
    if name != "cpu":
        found.append(Way(name, dataclasses.replace(choice, replicas=1)))
    return found


def train(workload, batches, way, steps, progress=lambda step: None):
    """Takes some steps.

    Args:
        workload: a `Workload`.
        batches: its `TrainingBatches`.
        way: a `Way`.
        steps: how many, 2 or more.
        progress: called with the steps done, from the second on.

    Returns:
        A `Course`.
    """
    import tensorflow as tf

    from tfdistill.diagnosis import workloads
    from tfdistill.training.loss_scale import loss_scale_for
    from tfdistill.training.step import TrainStep

    choice = way.choice
    losses, norms, seconds = [], [], []
    with tf.device(f"/{choice.device.upper()}:0"), devices.numerics(choice):
        distiller, optimizer = workloads.make(workload, steps, choice.on_metal)
        loss_scale = loss_scale_for(choice.precision, LOSS_SCALE)
        step = TrainStep(distiller, optimizer, choice.jit_compile, loss_scale)
        for index in range(steps):
            batch = {name: tf.constant(part) for name, part in batches.at(index).items()}
            started = time.perf_counter()
            row = step(batch, index)
            losses.append(float(row["loss"]))  # waits for the device
            norms.append(float(row["gradient_norm"]))
            seconds.append(time.perf_counter() - started)
            if index:  # the first compiles: its pace says nothing of the rest
                progress(index + 1)
    pace = statistics.median(seconds[steps // 2 :])
    tokens = workload.rows * workload.length
    return Course(tuple(losses), tuple(norms), tokens / pace)


def compare(reference, other, precision):
    """Holds a course against the reference.

    Args:
        reference: the `Course` to be right.
        other: a `Course`.
        precision: that of the other.

    Returns:
        A `Comparison`.
    """
    loss = _difference(reference.losses, other.losses)
    norm = _difference(reference.gradient_norms, other.gradient_norms)
    loss_tolerance, norm_tolerance = TOLERANCES[precision]
    problem = ""
    if not other.is_finite:
        problem = NO_NUMBERS
    elif not loss <= loss_tolerance:
        problem = f"its loss differs by {loss:.2%}, more than {loss_tolerance:.1%}"
    elif not norm <= norm_tolerance:
        problem = f"its gradient norm differs by {norm:.2%}, more than {norm_tolerance:.0%}"
    return Comparison(loss, norm, problem)


def _difference(expected, found):
    """The largest relative difference of two curves, smoothed."""
    expected, found = (_smooth(curve) for curve in (expected, found))
    return max(abs(a - b) / max(abs(a), 1e-9) for a, b in zip(expected, found, strict=True))


def _smooth(curve):
    begins = range(0, len(curve), SMOOTHED)
    return [statistics.fmean(curve[begin : begin + SMOOTHED]) for begin in begins]
