"""Measures what it takes to load all lengths of a TFLite file, with kept weights and without.

    python scripts/bench/weight_cache.py SEVERAL.tflite

Each way runs in a process of its own: lengths opened one by one, without kept weights; the first
process, which keeps them; and a later one, which finds them. Prints the name of the processor, the
CPU and wall time of loading, and the resident memory above that before, in MB: when all lengths are
loaded, when each has run, and the part of the latter that is no page of a file.
"""

import argparse
import tempfile

from tfdistill.deployment.load_cost import load_cost
from tfdistill.system import hardware

WAYS = ("apart", "kept, first", "kept, later")


def main():
    """Measures all ways and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", help="TFLite file of several lengths")
    file = parser.parse_args().file
    print(hardware.chip(), *hardware.instruction_sets())
    load = f"{'CPU, ms':>10}{'clock, ms':>12}"
    print(f"{'weights':<14}{load}{'loaded':>10}{'run':>10}{'not files':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            found = load_cost(file, weights=None if way == WAYS[0] else folder)
            sizes = [found[key] for key in ("loaded_bytes", "resident_bytes", "own_bytes")]
            loaded, run, own = (f"{size / 1e6:.1f}" for size in sizes)
            load = f"{found['load_cpu_ms']:>10.1f}{found['load_ms']:>12.1f}"
            print(f"{way:<14}{load}{loaded:>10}{run:>10}{own:>12}")


if __name__ == "__main__":
    main()
