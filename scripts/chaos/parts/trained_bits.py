"""Trains the smallest models of several recipes; prints digests of their weights as JSON.

    python scripts/chaos/parts/trained_bits.py

`same_result.py` starts it with several numbers of threads. Run in two environments, it shows
whether two versions of TensorFlow train the same bits.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tfdistill.system import devices  # noqa: E402

STEPS = 4
# Recipe, options, LayerDrop, tokens in a row, width, whether XLA compiles the step.
WAYS = (
    ("distilbert", {}, 0.3, 16, 16, False),
    ("distilbert", {}, 0.3, 16, 16, True),
    ("minilm", {}, 0.0, 16, 16, False),
    ("tinybert", {}, 0.0, 16, 16, False),
    ("pkd", {}, 0.0, 16, 16, False),
    ("distilbert", {}, 0.0, 64, 256, False),  # sums that are divided among threads
    ("distilbert", {}, 0.0, 64, 256, True),
)


def digest(recipe, options, layerdrop, length, width, compiled):
    """SHA-256 of all weights after `STEPS` steps."""
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.diagnosis import workloads
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.training.step import TrainStep

    tokenizer = load_tokenizer()
    teacher, student = (
        named_config(f"L-{depth}_H-{width}_A-2", "bert", tokenizer.vocab_size) for depth in (3, 2)
    )
    work = workloads.Workload(recipe, recipe, options, teacher, student, 8, length, layerdrop)
    choice = devices.Choice("cpu", "float32", compiled, False, 1, "a test")
    with devices.numerics(choice):
        step = TrainStep(*workloads.make(work, STEPS, on_metal=False), compiled)
        batches = workloads.batches(work, tokenizer)
        for number in range(STEPS):
            step(batches.at(number), number)
        found = hashlib.sha256()
        for _, variable in sorted(step.variables().items()):
            found.update(variable.numpy().tobytes())
    return found.hexdigest()


def main():
    devices.prepare("cpu", "float32")
    found = {}
    for way in WAYS:
        recipe, _, _, length, width, compiled = way
        name = f"{recipe}, {length} tokens, width {width}{', XLA' if compiled else ''}"
        found[name] = digest(*way)
        print(name, file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
