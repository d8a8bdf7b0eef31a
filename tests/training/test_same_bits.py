"""A training gives the same bits each time, with and without XLA."""

import numpy as np
import pytest

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.diagnosis import workloads
from tfdistill.models.configs.config_files import named_config
from tfdistill.system import devices
from tfdistill.training.step import TrainStep

TIMES = 3
WIDTH = 256  # TensorFlow's graph optimizer changes sums of large gradients only


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_same_weights_each_time(compiled):
    tokenizer = load_tokenizer()
    shape = named_config(f"L-1_H-{WIDTH}_A-2", "bert", tokenizer.vocab_size)
    work = workloads.Workload("test", "distilbert", {}, shape, shape, 8, 64, 0.0)
    choice = devices.Choice("cpu", "float32", compiled, False, 1, "a test")
    found = []
    for _ in range(TIMES):
        with devices.numerics(choice):
            step = TrainStep(*workloads.make(work, 2, on_metal=False), compiled)
            batches = workloads.batches(work, tokenizer)
            for number in range(2):
                step(batches.at(number), number)
            found.append({k: v.numpy() for k, v in step.variables().items()})
    for other in found[1:]:
        assert [name for name, value in found[0].items() if np.any(value != other[name])] == []
