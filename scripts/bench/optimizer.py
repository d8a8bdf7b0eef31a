"""Times a step of tfdistill's AdamW and of Keras's, in turn, on the variables of a 4 x 128 student.

Usage: python scripts/bench/optimizer.py    (half a minute; both with clipping and weight decay)
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import statistics
import time

import keras
import tensorflow as tf

from tfdistill.models.configs.config_files import named_config
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.training.optimizer import AdamW

ROUNDS = 30
OPTIONS = dict(
    learning_rate=1e-3,
    beta_1=0.9,
    beta_2=0.98,
    epsilon=1e-6,
    weight_decay=0.01,
    global_clipnorm=5.0,
)


def make_step(optimizer_class, jit_compile):
    """A function without arguments that takes one step, compiled."""
    variables = MaskedLanguageModel(named_config("L-4_H-128_A-2")).trainable_variables
    gradients = [tf.random.stateless_normal(variable.shape, (1, 2)) for variable in variables]
    optimizer = optimizer_class(**OPTIONS)
    optimizer.build(variables)

    @tf.function(autograph=False, jit_compile=jit_compile)
    def step(*gradients):
        optimizer.apply(gradients, variables)
        return variables[0].value[0, 0]

    operators = step.get_concrete_function(*gradients).graph.get_operations()
    return lambda: float(step(*gradients)), len(operators)


def main():
    print(f"{'':8}{'optimizer':12}{'operators':>10}{'ms, median':>12}{'range':>16}")
    for mode, jit_compile in (("graph", False), ("XLA", True)):
        classes = {"tfdistill": AdamW, "Keras": keras.optimizers.AdamW}
        made = {name: make_step(kind, jit_compile) for name, kind in classes.items()}
        times = {name: [] for name in made}
        for round_ in range(ROUNDS + 2):
            for name, (step, _) in made.items():
                started = time.perf_counter()
                step()
                if round_ > 1:  # the first ones trace and compile
                    times[name].append(1e3 * (time.perf_counter() - started))
        for name, (_, operators) in made.items():
            spread = f"{min(times[name]):.1f}-{max(times[name]):.1f}"
            median = statistics.median(times[name])
            print(f"{mode:8}{name:12}{operators:>10}{median:>12.1f}{spread:>16}")


if __name__ == "__main__":
    main()
