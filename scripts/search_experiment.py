"""Compares searched shapes with named ones at their latencies, and prints a table.

    python scripts/search_experiment.py --data_dir=DIR --teacher=DIR
    python scripts/search_experiment.py --data_dir=DIR --steps=500 \\
        --grid=configs/experiments/super_student_small.json --output_dir=runs/super_student_small

DIR of the data holds wikitext-2; the teacher is a masked LM of 6 layers, width 256 and 4 heads. The
second grid is smaller, and makes its teacher itself. A grid, such as
configs/experiments/super_student.json, makes super-students and students of named shapes. For each
seed and named shape, the super-student is searched for the best part of at most the named shape's
predicted latency, which is trained on for --steps. Both files are then timed in turn. What is
finished is skipped, so the same command goes on after a stop.

The bound is predicted, not measured, because the search compares it with predictions: what the
latency model has wrong for both shapes cancels. The verdict on a bound is measured: the searched
shape is better if its test loss is lower by more than the paired standard error for every seed, and
no slower if its file takes at most the named one's time for every seed. search_experiment.json in
the output's folder has all figures, and the minutes spent.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tfdistill import tasks
from tfdistill.command_line.cli import exit_code_of
from tfdistill.deployment.latency_model import LatencyModel
from tfdistill.run.directory import read_state
from tfdistill.system.sums import file_digest

GRID = Path(__file__).parents[1] / "configs" / "experiments" / "super_student.json"
SUPER, INT8 = "super", "student_int8.tflite"
NAMED, SEARCHED = "named", "searched"
FIGURES, SPENT = "search_experiment.json", "spent.json"  # in the output's folder
FINISHED = "finished.json"  # in the folder of a search: what it was made from
COLUMNS = (
    "bound", "seed", "searched shape", "validation loss, named; searched",
    "test loss, named; searched", "searched − named", "top-1 %, named; searched",
    "predicted (ms), named; searched", "measured (ms), named; searched",
)  # fmt: skip


def _run(command, *flags, **streams):
    """Runs a command. One that fails has said why, and ends this script, too."""
    words = [sys.executable, "-m", f"tfdistill.{command}", *flags]
    done = subprocess.run(words, **streams)
    if done.returncode:
        sys.exit(done.returncode)
    return done


def _answer(command, *flags):
    """What a command prints with `--json`."""
    return json.loads(_run(command, *flags, "--json", stdout=subprocess.PIPE).stdout)


def _minutes_of(run):
    """Minutes of the finished stages of a run, also of those before a stop."""
    done = read_state(run)["done"].values()
    return sum(facts.get("seconds", 0.0) for facts in done) / 60


def verdict_on(figures):
    """What the measurements say about a bound.

    Args:
        figures: list of the figures of its seeds (see `Experiment.figures`).

    Returns:
        dict of "better", "no_slower", and "held", both.
    """
    differences = [each["difference"] for each in figures]
    times = [(each[NAMED]["measured_ms"], each[SEARCHED]["measured_ms"]) for each in figures]
    better = all(each["loss"] < -each["standard_error"] for each in differences)
    no_slower = all(searched <= named for named, searched in times)
    return {"better": better, "no_slower": no_slower, "held": better and no_slower}


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

    def figures(self):
        """Makes what is missing.

        Returns:
            dict of "rows", for each shape and seed a dict of "bound", "seed", the searched "shape",
            facts of the "named" and the "searched" model, and the "difference" of their test loss;
            "bounds", verdicts by the named shape; and "minutes" by what was done.
        """
        options = self._options
        given = [f"--data_dir={options.data_dir}", f"--output_dir={self._output}"]
        given += [f"--teacher={options.teacher}"] if options.teacher else []
        _run("experiment", str(options.grid), *given)
        if not self._table.is_file():
            largest = f"--table_largest={self._run_of(SUPER, self._seeds[0]) / 'student'}"
            table = f"--build_latency_table={self._table}"
            flags = largest, f"--tokens={self._tokens}", *options.benchmark_flags
            self._timed("latency table", "benchmark", table, *flags)
        model = LatencyModel.read(self._table)
        rows = {
            shape: [self._row(shape, seed, model) for seed in self._seeds] for shape in self._shapes
        }
        return {
            "rows": sum(rows.values(), []),
            "bounds": {shape: verdict_on(of_shape) for shape, of_shape in rows.items()},
            "minutes": self._minutes(),
        }

    def _timed(self, name, command, *flags):
        """Runs a command; its time, also that of a stopped one, is added to what is stored."""
        file, started = self._output / SPENT, time.monotonic()
        try:
            _run(command, *flags)
        finally:
            spent = self._spent()
            spent[name] = spent.get(name, 0.0) + (time.monotonic() - started) / 60
            file.write_text(json.dumps(spent, indent=1) + "\n", "utf-8")

    def _spent(self):
        file = self._output / SPENT
        return json.loads(file.read_text("utf-8")) if file.is_file() else {}

    def _minutes(self):
        """dict of what was made to minutes; those of a search have its part's training apart."""
        found = {}
        for model in (SUPER, *self._shapes):
            for seed in self._seeds:
                found[f"{model} {seed}"] = _minutes_of(self._run_of(model, seed))
        for name, minutes in self._spent().items():
            run = self._output / "searches" / name / "trained"
            if not run.is_dir():
                found[name] = minutes
                continue
            trained = _minutes_of(run)
            found |= {f"search {name}": max(minutes - trained, 0.0), f"trained {name}": trained}
        return found

    def _run_of(self, model, seed):
        return self._output / "runs" / model / f"seed-{seed}"

    def _row(self, shape, seed, model):
        named = self._run_of(shape, seed)
        config = tasks.get("masked_lm").describe(str(named / "student")).config
        tokens = self._options.tokens
        bound = model.milliseconds(config, length=tokens, variant="int8", threads=1)
        name = f"{shape}-{seed}"
        folder = self._output / "searches" / name
        best = self._search(name, folder, seed, bound)
        runs = {NAMED: named, SEARCHED: folder / "trained"}
        page = f"--page={folder / 'comparison.html'}"
        compared = _answer("compare", *map(str, runs.values()), page)
        loss = compared["differences"][0]["loss"]
        rows = [row for row in compared["rows"] if row["model"] == "student"]
        times = self._times(folder, runs)
        found = {"bound": shape, "seed": seed, "shape": best["shape"]}
        found["difference"] = {"loss": loss["value"], "standard_error": loss["standard_error"]}
        for model_name, row, predicted in zip(runs, rows, (bound, best["latency_ms"]), strict=True):
            found[model_name] = {
                "validation_loss": row["end"]["mean"],
                "test_loss": row["loss"]["mean"],
                "top1": row["top1"]["mean"],
                "predicted_ms": predicted,
                "measured_ms": times[model_name],
                "minutes": _minutes_of(runs[model_name]),
            }
        return found

    def _search(self, name, folder, seed, bound):
        """Searches the super-student of a seed, and trains the best part on: its row.

        A finished search with the same flags, super-student and table is read: another call would
        add to its minutes.
        """
        whole = self._run_of(SUPER, seed) / "student" / "model.safetensors"
        flags = [
            f"--output_dir={self._run_of(SUPER, seed)}",
            f"--search_dir={folder}",
            f"--latency_table={self._table}",
            f"--latency_ms={bound}",
            f"--latency_length={self._tokens}",
            f"--tflite_lengths={self._tokens}",
            f"--steps={self._options.steps}",
            f"--seed={seed}",
            *self._options.search_flags,
        ]
        made_from = {"flags": flags, "sums": [file_digest(file) for file in (whole, self._table)]}
        done, result = folder / FINISHED, folder / "front.json"
        if not (done.is_file() and result.is_file() and json.loads(done.read_text()) == made_from):
            done.unlink(missing_ok=True)
            self._timed(name, "search", *flags)
            done.write_text(json.dumps(made_from, indent=1) + "\n", "utf-8")
        return json.loads(result.read_text("utf-8"))["best"]

    def _times(self, folder, runs):
        """CPU milliseconds of the runs' int8 files, timed in turn on one thread."""
        files = folder / "files"
        files.mkdir(exist_ok=True)
        for name, run in runs.items():
            shutil.copyfile(run / "export" / INT8, files / f"{name}.tflite")
        rounds = f"--rounds={self._options.rounds}"
        found = _answer("benchmark", f"--model={files}", f"--tokens={self._tokens}", rounds)
        return {row["file"]: row["cpu_ms"] for row in found["times"] if row["threads"] == 1}


def cells_of(figures):
    """The cells of a row of the table, for `COLUMNS`; `figures` are those of a shape and seed."""
    part, difference = figures["shape"], figures["difference"]

    def both(key, form):
        return "; ".join(format(figures[model][key], form) for model in (NAMED, SEARCHED))

    return [
        figures["bound"],
        str(figures["seed"]),
        f"{part['layers']} × {part['width']}, {part['intermediate']} neurons, "
        f"{part['heads']} heads of {part['head_size']}",
        both("validation_loss", ".3f"),
        both("test_loss", ".3f"),
        f"{difference['loss']:+.3f} ± {difference['standard_error']:.3f}",
        both("top1", ".1f"),
        both("predicted_ms", ".3f"),
        both("measured_ms", ".3f"),
    ]


def verdict_lines(figures):
    """Sentences on all bounds, and on the time; `figures` as of `Experiment.figures`."""
    bounds, minutes = figures["bounds"], figures["minutes"]
    for shape, verdict in bounds.items():
        better = "better" if verdict["better"] else "not better"
        slower = "no slower" if verdict["no_slower"] else "slower"
        yield f"{shape}: the searched shape is {better} and {slower} for all seeds."
    held = sum(verdict["held"] for verdict in bounds.values())
    yield f"Better and no slower: {held} of {len(bounds)} bounds."
    parts = ", ".join(f"{name} {each:.1f}" for name, each in minutes.items())
    yield f"Minutes: {sum(minutes.values()):.0f} ({parts})."


def main():
    """Makes what is missing, then prints the table and the verdicts, and writes all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, help="where the grid does not make one")
    parser.add_argument("--grid", type=Path, default=GRID)
    parser.add_argument("--output_dir", type=Path, default=Path("runs/super_student"))
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1000, help="of a searched part")
    parser.add_argument("--rounds", type=int, default=200, help="timed runs of each file")
    for flag, command in (("--search_flags", "search"), ("--benchmark_flags", "benchmark")):
        parser.add_argument(
            flag,
            action="append",
            default=[],
            metavar="FLAG",
            help=f"another flag of tfdistill.{command}, such as --search_flags=--population=20",
        )
    options = parser.parse_args()
    figures = Experiment(options).figures()
    file = options.output_dir / FIGURES
    file.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for cells in (COLUMNS, ["---"] * len(COLUMNS), *map(cells_of, figures["rows"])):
        print(f"| {' | '.join(cells)} |")
    print("", *verdict_lines(figures), f"All figures: {file}", sep="\n")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
