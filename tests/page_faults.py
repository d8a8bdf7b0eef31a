"""Prints how many pages calls take from the system: medians after the first ones, as JSON.

Usage: python page_faults.py    (a process of its own)
"""

import json
import resource
import statistics

from tfdistill.system import devices

devices.prepare("cpu", "float32")

import tensorflow as tf  # noqa: E402  after what must be set before

from tfdistill import recipes  # noqa: E402
from tfdistill.distillation.distiller import Distiller  # noqa: E402
from tfdistill.models.configs.encoder_config import EncoderConfig  # noqa: E402
from tfdistill.models.model import MaskedLanguageModel  # noqa: E402
from tfdistill.tasks.masked_lm import MaskedLM  # noqa: E402
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer  # noqa: E402
from tfdistill.training.step import TrainStep  # noqa: E402

ROWS, LENGTH, MASKED, WARM_UP, CALLS = 32, 16, 10, 4, 12
BATCH = {
    "input_ids": tf.fill((ROWS, LENGTH), 7),
    "attention_mask": tf.ones((ROWS, LENGTH), tf.int32),
    "masked_positions": tf.fill((ROWS, MASKED), 3),
    "masked_labels": tf.fill((ROWS, MASKED), 9),
    "masked_weights": tf.ones((ROWS, MASKED)),
}


def model():
    """Small, but for the logits of 320 tokens: 39 MB, 10,000 pages."""
    shape = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    return MaskedLanguageModel(EncoderConfig(intermediate_size=16, **shape))


def step(jit_compile):
    distiller = Distiller(model(), recipes.get("mlm").phases[0])
    optimizer = build_optimizer(
        distiller.trained_variables,
        OptimizerSettings(
            learning_rate=1e-3,
            steps=100,
            warmup_prop=0.0,
            betas=(0.9, 0.999),
            epsilon=1e-6,
            weight_decay=0.0,
            max_grad_norm=1.0,
        ),
    )
    train_step = TrainStep(distiller, optimizer, jit_compile)
    return lambda: float(train_step(BATCH, 0)["loss"])


def evaluation():
    score = MaskedLM().scorer(model())
    return lambda: [result.numpy() for result in score(BATCH).values()]


CALLED = {
    "compiled step": lambda: step(jit_compile=True),
    "plain step": lambda: step(jit_compile=False),
    "evaluation": evaluation,
}


def faults_of(call):
    """Median of the pages that a call takes, once it has been called a few times."""
    faults = []
    for _ in range(WARM_UP + CALLS):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        call()
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return statistics.median(faults[WARM_UP:])


if __name__ == "__main__":
    print(json.dumps({name: faults_of(make()) for name, make in CALLED.items()}))
