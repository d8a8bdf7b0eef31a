import contextlib
import types

import pytest
import tensorflow as tf

from tfdistill.system import process_memory
from tfdistill.training.step import TrainStep

pytestmark = pytest.mark.tf218


class Sum:
    """A distiller whose loss is the sum of one variable."""

    options = types.SimpleNamespace(on_metal=False)

    def __init__(self):
        self.trained_variables = [tf.Variable([1.0, 2.0])]

    def normalizers(self, batch):
        return {}

    def gradients(self, batch, step, **_):
        (variable,) = self.trained_variables
        return [tf.ones_like(variable)], {"loss": tf.reduce_sum(variable)}


class Descent:
    learning_rate = 0.5

    def apply(self, gradients, variables, finite, on_metal):
        variables[0].assign_sub(self.learning_rate * gradients[0])


@pytest.mark.parametrize("jit_compile, times", [(True, 1), (False, 0)])
@pytest.mark.parametrize("several", [False, True])
def test_freed_memory_goes_back_while_xla_compiles(monkeypatch, jit_compile, times, several):
    traces = []  # before and after
    step = TrainStep(Sum(), Descent(), jit_compile)

    @contextlib.contextmanager
    def returned():
        traces.append(step.traces)
        yield
        traces.append(step.traces)

    monkeypatch.setattr(process_memory, "returned", returned)
    batch = {"input_ids": tf.zeros((2, 3), tf.int32)}
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    losses = []
    for number in range(3):
        found = step.take(batches, number, 1) if several else step(batch, number)
        losses.append(float(found["loss"]))
    assert losses == [3.0, 2.0, 1.0] and traces == [0, 1] * times
