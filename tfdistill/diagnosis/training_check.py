"""Trains the same model in two ways and compares the losses, gradients and speed."""

import dataclasses
import math
import statistics
import time

from tfdistill.system import devices

STEPS = 50
NOT_FINITE = "it produces NaN or infinite values"
# Largest accepted relative differences of (loss, gradient norm). Rounding errors grow with every
# step, and those of 16-bit types are a thousand times as large as those of float32.
TOLERANCES = {"float32": (0.001, 0.02), "bfloat16": (0.01, 0.1), "float16": (0.01, 0.1)}
# Low enough that no step overflows: after a skipped step, all later steps differ.
LOSS_SCALE = 2.0**8
SMOOTHED = 10  # steps in a mean: the losses of single small batches are noisy


@dataclasses.dataclass(frozen=True)
class Way:
    """How steps are computed.

    Args:
        name: name in the output.
        choice: a `devices.Choice`.
    """

    name: str
    choice: devices.Choice


@dataclasses.dataclass(frozen=True)
class Course:
    """Losses, gradient norms and speed of a training.

    Args:
        losses: floats, one per step.
        gradient_norms: floats, one per step.
        tokens_per_second: median over the second half of the steps.
    """

    losses: tuple
    gradient_norms: tuple
    tokens_per_second: float

    @property
    def is_finite(self):
        """Whether all losses and gradient norms are finite."""
        return all(map(math.isfinite, (*self.losses, *self.gradient_norms)))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How two courses differ.

    Args:
        loss: largest relative difference of the losses.
        gradient_norm: largest relative difference of the gradient norms.
        problem: text that says what is wrong; "" if nothing is.
    """

    loss: float
    gradient_norm: float
    problem: str


def ways(choice):
    """The ways of training to compare on a machine.

    Args:
        choice: the `devices.Choice` of this machine.

    Returns:
        A list of `Way`s: first the reference, plain float32 steps on the CPU, then the chosen way
        if it differs.
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
    """Trains for some steps.

    Args:
        workload: a `Workload`.
        batches: its `TrainingBatches`.
        way: a `Way`.
        steps: number of steps, at least 2.
        progress: function that is called with the number of steps done, from the second step on.

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
            losses.append(float(row["loss"]))  # reading it waits for the device
            norms.append(float(row["gradient_norm"]))
            seconds.append(time.perf_counter() - started)
            if index:  # the first step includes compilation
                progress(index + 1)
    step_seconds = statistics.median(seconds[steps // 2 :])
    tokens = workload.rows * workload.length
    return Course(tuple(losses), tuple(norms), tokens / step_seconds)


def compare(reference, other, precision):
    """Compares a course with the reference.

    Args:
        reference: the `Course` of the reference.
        other: a `Course`.
        precision: precision of the other.

    Returns:
        A `Comparison`.
    """
    loss = _difference(reference.losses, other.losses)
    norm = _difference(reference.gradient_norms, other.gradient_norms)
    loss_tolerance, norm_tolerance = TOLERANCES[precision]
    problem = ""
    if not other.is_finite:
        problem = NOT_FINITE
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
