"""Takes a training step apart: its parts, and its matrix products alone.

    python scripts/bench/step_parts.py masked_lm base [--rounds 7] [--without_xla]

The works are those of compare.py, in float32, without dropout. Each part is a function of its own,
compiled as the step is: the teacher's encoder, the student's encoder, the gradients of all losses
(with the passes before them), and the step, which is the gradients, the clip and AdamW. `products`
is the sum of the step's matrix products, each kind timed alone with operands of its shape: what the
step would take without its passes over activations, logits and weights. Prints medians of wall time
and of processor time, in turn, and for the products their FLOP/s beside those of a large product.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # as in a run

import numpy as np
import tensorflow as tf
from compare import call
from matrix_product import peak
from settings import MASKED, VOCABULARY, WORKS
from tfdistill_step import make_distiller, make_optimizer

from tfdistill.distillation.losses.vocabulary import CHUNK
from tfdistill.models.compiled import compiled_for_cpu
from tfdistill.system import devices, hardware
from tfdistill.training.step import TrainStep

CALLS = 3  # of each product in a round
WARM_UP = 2  # rounds
LAST_STATES = "last_hidden_state"


def with_gradients(groups, rows, inner, columns):
    """The products (rows x inner) (inner x columns) and those of both gradients.

    Returns:
        list of ((groups, rows, inner, columns), whether the first, the second is transposed).
    """
    return [
        ((groups, rows, inner, columns), False, False),
        ((groups, rows, columns, inner), False, True),
        ((groups, inner, rows, columns), True, False),
    ]


def layer_products(work, asked):
    """Forward products of a layer, whose queries are `asked` of a row's tokens: list of shapes."""
    tokens, queries, width = work.tokens, work.rows * asked, work.hidden
    heads = work.rows * work.heads
    return [
        *[(1, tokens, width, width)] * 2,  # keys, values
        *[(1, queries, width, width)] * 2,  # queries, output
        (1, queries, width, 4 * width),
        (1, queries, 4 * width, width),
        (heads, asked, work.head_size, work.length),  # scores
        (heads, asked, work.length, work.head_size),  # mixed values
    ]


def reads_all(work):
    """Whether the losses read the last states of all tokens."""
    return bool(work.teacher_layers) and not work.tuned


def products(work):
    """All products of a step, as `with_gradients` has them."""
    of_all = reads_all(work)
    asked = work.length if of_all else 1 if work.tuned else MASKED
    whole, last = layer_products(work, work.length), layer_products(work, asked)
    found = [each for shape in whole * (work.layers - 1) + last for each in with_gradients(*shape)]
    teacher = whole * (work.teacher_layers - 1) + last if work.teacher_layers else []
    found += [(shape, False, False) for shape in teacher]
    if work.tuned:
        return found
    masked = work.rows * MASKED
    projected = masked + work.tokens * of_all
    found += with_gradients(1, projected, work.hidden, work.hidden)
    for tokens in (masked, work.tokens) if of_all else (masked,):
        for chunk in chunks(tokens):
            found += with_gradients(1, VOCABULARY, work.hidden, chunk)
    if of_all:
        found += [((1, work.tokens, work.hidden, work.hidden), False, False)]
        found += [
            ((1, VOCABULARY, work.hidden, chunk), False, False) for chunk in chunks(work.tokens)
        ]
    return found


def chunks(tokens):
    """Tokens of each chunk of logits, as `vocabulary._walk` cuts them."""
    count = -(-tokens // CHUNK)
    return [-(-tokens // count)] * count


def operands(shape, turn_first, turn_second):
    """Random operands of a product, transposed as they lie in memory."""
    groups, rows, inner, columns = shape
    first = (groups, inner, rows) if turn_first else (groups, rows, inner)
    second = (groups, columns, inner) if turn_second else (groups, inner, columns)
    draw = np.random.default_rng(0).standard_normal
    return [tf.constant(draw(each, np.float32)) for each in (first, second)]


class Products:
    """All products of a work, each kind compiled once."""

    def __init__(self, work, jit_compile):
        self.counts, self._calls = {}, {}
        for kind in products(work):
            self.counts[kind] = self.counts.get(kind, 0) + 1
        for shape, first, second in self.counts:

            def product(a, b, first=first, second=second):
                return tf.matmul(a, b, transpose_a=first, transpose_b=second)

            function = tf.function(product, autograph=False, jit_compile=jit_compile)
            arguments = operands(shape, first, second)
            self._calls[shape, first, second] = lambda f=function, a=arguments: f(*a)

    def operations(self):
        """Multiplications and additions of all."""
        return sum(2 * count * np.prod(kind[0], dtype=float) for kind, count in self.counts.items())

    def times(self):
        """(wall, processor) seconds of all products, each of its kind's time."""
        found = np.zeros(2)
        for kind, count in self.counts.items():
            found += count * timed(self._calls[kind], CALLS)
        return found


def timed(function, calls=1):
    """(wall, processor) seconds of a call: float (2,)."""
    started = np.array((time.perf_counter(), time.process_time()))
    for _ in range(calls):
        result = function()
    tf.nest.map_structure(lambda tensor: tensor.numpy().ravel()[:1], result)
    return (np.array((time.perf_counter(), time.process_time())) - started) / calls


def parts_of(work, folder, jit_compile):
    """dict of the parts of a step to functions without arguments."""
    distiller = make_distiller(work, folder)
    optimizer = make_optimizer(work, distiller, steps=10_000)
    arrays = dict(np.load(folder / "batches.npz"))
    batch = {name: tf.constant(array[0]) for name, array in arrays.items()}

    def compiled(compute):
        def traced():
            with compiled_for_cpu(jit_compile):
                return compute()

        return tf.function(traced, autograph=False, jit_compile=jit_compile)

    def states(model):
        if reads_all(work):
            return lambda: model.encode(batch)[LAST_STATES]
        return lambda: model.encode_rows(batch)[0]

    step = TrainStep(distiller, optimizer, jit_compile)
    parts = {"student's encoder": compiled(states(distiller.student))}
    if work.teacher_layers:
        parts = {"teacher's encoder": compiled(states(distiller.teachers.first))} | parts
    return parts | {
        "gradients": compiled(lambda: distiller.gradients(batch, tf.constant(0))),
        "step": lambda: step(batch, 0),
    }


def measure(name, rounds, jit_compile):
    """Prints the table of a work."""
    work = WORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        call("make_inputs.py", name, folder, 1)
        parts = parts_of(work, Path(folder), jit_compile)
        alone = Products(work, jit_compile)
        times = {part: [] for part in (*parts, "products")}
        for number in range(WARM_UP + rounds):
            found = {part: timed(function) for part, function in parts.items()}
            found["products"] = alone.times()
            for part, seconds in found.items() if number >= WARM_UP else ():
                times[part].append(seconds)
    print(f"\n{work.title}; {'XLA' if jit_compile else 'without XLA'}")
    medians = {part: np.median(values, axis=0) for part, values in times.items()}
    medians["clip and AdamW"] = medians["step"] - medians["gradients"]
    for part, (wall, busy) in medians.items():
        share = wall / medians["step"][0]
        print(f"{part:20}{1e3 * wall:9.1f} ms{share:7.0%}{1e3 * busy:9.1f} ms of processor time")
    rate = alone.operations() / medians["products"][0] / 1e9
    print(
        f"products: {alone.operations() / 1e9:.1f} GFLOP at {rate:.0f} GFLOP/s; "
        f"a large product: {peak(tf.float32):.0f} GFLOP/s"
    )


def main():
    """Reads the arguments and measures the works."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("works", nargs="+", choices=WORKS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--without_xla", action="store_true")
    options = parser.parse_args()
    machine = devices.prepare("cpu", "float32")
    machine = dataclasses.replace(machine, jit_compile=not options.without_xla)
    units = ", ".join(hardware.instruction_sets())
    print(f"{hardware.chip()}, {hardware.cores()} cores, instruction sets: {units}")
    with devices.numerics(machine):  # as in a run
        for name in options.works:
            measure(name, options.rounds, machine.jit_compile)


if __name__ == "__main__":
    main()
