"""Compares the memory that LiteRT takes to run a file with `deployment/memory_model.py`.

    python scripts/bench/memory_model.py [SHAPE…]

Exports each shape with random weights, for rows of 16 and of 128 tokens, as float32 and int8, and
loads each file in three processes. Prints, in MB, the median of what they took beside mapped files,
and the model's number. Linux only.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

SHAPES = "L-2_H-128_A-2 L-3_H-192_A-3 L-4_H-256_A-4 L-4_H-312_A-12 L-6_H-384_A-12".split()
LENGTHS = 16, 128
PROCESSES = 3


def main():
    """Measures all files and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("shapes", nargs="*", default=SHAPES, help="named shapes of BERT")
    names = parser.parse_args().shapes
    errors = []
    print(f"{'shape':<18}{'tokens':>7}{'variant':>9}{'measured':>10}{'model':>8}{'error':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name, length, variant, found, counted in _measured(names, Path(folder)):
            errors.append(counted / found - 1)
            sizes = f"{found / 1e6:>10.2f}{counted / 1e6:>8.2f}{errors[-1]:>+8.1%}"
            print(f"{name:<18}{length:>7}{variant:>9}{sizes}", flush=True)
    sizes = [abs(error) for error in errors]
    print(f"median error {statistics.median(sizes):.1%}, worst {max(sizes):.1%}")


def _measured(names, folder):
    """Generates (shape, length, variant, measured bytes, bytes of the model)."""
    from tfdistill.deployment.load_cost import load_cost
    from tfdistill.deployment.memory_model import memory_bytes
    from tfdistill.deployment.operators import VOCABULARY
    from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.models.model import MaskedLanguageModel

    for name in names:
        config = named_config(name)
        model = MaskedLanguageModel(config, seed=0)
        for length in LENGTHS:
            files = {folder / "float32.tflite": None, folder / "int8.tflite": DYNAMIC_INT8}
            export_tflite_files(model, files, length)
            for file in files:
                found = [load_cost(file)["own_bytes"] for _ in range(PROCESSES)]
                counted = memory_bytes(config, length, VOCABULARY, file.stem)
                yield name, length, file.stem, statistics.median(found), counted


if __name__ == "__main__":
    main()
