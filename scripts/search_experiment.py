"""Compares searched shapes with named ones at their latencies; prints a table of docs/RESULTS.md.

    python scripts/search_experiment.py --data_dir=DIR --teacher=DIR

DIR of the data holds wikitext-2; the teacher is a masked LM of 6 layers, width 256 and 4 heads.
The grid configs/experiments/super_student.json makes super-students and students of named shapes,
a pair of seeds. For each seed and named shape, the super-student is searched for the best part of
at most the named shape's predicted latency, which is trained on for 1,000 steps. Both files are
then timed in turn. What is finished is skipped, so the same command goes on after a stop.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from tfdistill import tasks
from tfdistill.deployment.latency_model import LatencyModel

GRID = Path(__file__).parents[1] / "configs" / "experiments" / "super_student.json"
SUPER, INT8 = "super", "student_int8.tflite"
NAMED, SEARCHED = "named", "searched"
COLUMNS = (
    "bound", "seed", "searched shape", "validation loss, named; searched",
    "test loss, named; searched", "searched − named", "top-1 %, named; searched",
    "predicted (ms), named; searched", "measured (ms), named; searched",
)  # fmt: skip


def _run(command, *flags):
    subprocess.run([sys.executable, "-m", f"tfdistill.{command}", *flags], check=True)


def _answer(command, *flags):
    """What a command prints with `--json`."""
    words = [sys.executable, "-m", f"tfdistill.{command}", *flags, "--json"]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)


class Experiment:
    """The runs, the searches and their comparison.

    Args:
        options: the script's options.
    """

    def __init__(self, options):
        self._options, self._output = options, options.output_dir
        axes = json.loads(options.grid.read_text("utf-8"))["axes"]
        self._shapes = [name for name in axes["model"] if name != SUPER]
        self._seeds = axes["seed"]
        self._table = self._output / "latency.json"
        self._tokens = str(options.tokens)

    def rows(self):
        """Makes what is missing; yields a row of the table for each shape and seed."""
        options = self._options
        given = f"--data_dir={options.data_dir}", f"--teacher={options.teacher}"
        _run("experiment", str(options.grid), *given, f"--output_dir={self._output}")
        if not self._table.is_file():
            largest = f"--table_largest={self._run_of(SUPER, self._seeds[0]) / 'student'}"
            table = f"--build_latency_table={self._table}"
            _run("benchmark", table, largest, f"--tokens={self._tokens}", *options.benchmark_flags)
        model = LatencyModel.read(self._table)
        for shape in self._shapes:
            for seed in self._seeds:
                yield self._row(shape, seed, model)

    def _run_of(self, model, seed):
        return self._output / "runs" / model / f"seed-{seed}"

    def _row(self, shape, seed, model):
        named = self._run_of(shape, seed)
        config = tasks.get("masked_lm").describe(str(named / "student")).config
        tokens = self._options.tokens
        bound = model.milliseconds(config, length=tokens, variant="int8", threads=1)
        folder = self._output / "searches" / f"{shape}-{seed}"
        best = self._search(folder, seed, bound)
        trained, part = folder / "trained", best["shape"]
        page = f"--page={folder / 'comparison.html'}"
        compared = _answer("compare", str(named), str(trained), page)
        loss = compared["differences"][0]["loss"]
        rows = [row for row in compared["rows"] if row["model"] == "student"]
        times = self._times(folder, {NAMED: named, SEARCHED: trained})
        return [
            shape,
            str(seed),
            f"{part['layers']} × {part['width']}, {part['intermediate']} neurons, "
            f"{part['heads']} heads of {part['head_size']}",
            "; ".join(f"{each['end']['mean']:.3f}" for each in rows),
            "; ".join(f"{each['loss']['mean']:.3f}" for each in rows),
            f"{loss['value']:+.3f} ± {loss['standard_error']:.3f}",
            "; ".join(f"{each['top1']['mean']:.1f}" for each in rows),
            f"{bound:.3f}; {best['latency_ms']:.3f}",
            "; ".join(f"{times[name]:.3f}" for name in (NAMED, SEARCHED)),
        ]

    def _search(self, folder, seed, bound):
        """Searches the super-student of a seed, and trains the best part on: its row."""
        _run(
            "search",
            f"--output_dir={self._run_of(SUPER, seed)}",
            f"--search_dir={folder}",
            f"--latency_table={self._table}",
            f"--latency_ms={bound}",
            f"--latency_length={self._tokens}",
            f"--tflite_lengths={self._tokens}",
            f"--steps={self._options.steps}",
            f"--seed={seed}",
            *self._options.search_flags,
        )
        return json.loads((folder / "front.json").read_text("utf-8"))["best"]

    def _times(self, folder, runs):
        """CPU milliseconds of the runs' int8 files, timed in turn on one thread."""
        files = folder / "files"
        files.mkdir(exist_ok=True)
        for name, run in runs.items():
            shutil.copyfile(run / "export" / INT8, files / f"{name}.tflite")
        rounds = f"--rounds={self._options.rounds}"
        found = _answer("benchmark", f"--model={files}", f"--tokens={self._tokens}", rounds)
        return {row["file"]: row["cpu_ms"] for row in found["times"] if row["threads"] == 1}


def main():
    """Makes what is missing, then prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--grid", type=Path, default=GRID)
    parser.add_argument("--output_dir", type=Path, default=Path("runs/super_student"))
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1000, help="of a searched part")
    parser.add_argument("--rounds", type=int, default=200, help="timed runs of each file")
    for name in ("search", "benchmark"):
        parser.add_argument(
            f"--{name}_flags",
            action="append",
            default=[],
            metavar="FLAG",
            help=f"another flag of tfdistill.{name}, such as --search_flags=--population=20",
        )
    options = parser.parse_args()
    table = list(Experiment(options).rows())
    for cells in (COLUMNS, ["---"] * len(COLUMNS), *table):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
