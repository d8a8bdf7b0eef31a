"""Runs tasks with labels on published data sets and prints the table of docs/RESULTS.md.

    python scripts/task_results.py --data_dir=DIR --teacher=DIR [SET ...] [--seeds 0 1 2]

DIR of the data holds folders of GLUE (glue/), banking77, mit-restaurant, wnut17, ncbi-disease,
squadshifts and xquad. The teacher is a Hugging Face directory of an encoder of 6 layers and width
384; the first seed's run fine-tunes it for the set, the others take that one. The student has 3 of
its layers. The set sample_authors is configs/sample_authors.flags, with the teacher of
scripts/mini.sh. Finished runs are skipped, so the same command goes on after a stop. With
--data_only it writes the phrases of SST-2 that are taken, and makes no run.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

from tfdistill.command_line.cli import exit_code_of

PHRASES = 10_000
INT8 = "student_int8.tflite"
STUDENT = "--student_config=L-3_H-384_A-12"
SAMPLE = "sample_authors"
COLUMNS = (
    "data", "metric, %", "floor", "teacher", "student before distillation", "student",
    "no teacher", "student − no teacher", "student / teacher, %", "int8 file − student", "minutes",
)  # fmt: skip


def _files(train, test, *validation):
    """The flags of a set's files, in folders of the data or of the runs."""
    named = {"train": train, "test": test} | dict(zip(["validation"], validation, strict=False))
    return tuple(f"--{split}_data={path}" for split, path in named.items())


CLASSES, SCORES = "--task=text_classification", "--task=regression"
RATES = "--teacher_learning_rate=1e-4", "--learning_rate=2e-4"
GLUE = ("--data_dir={data}/glue", *RATES, "--n_epoch=4")
SHORT = ("--length=64", "--teacher_learning_rate=3e-4", "--learning_rate=3e-4")
TAGS = ("--task=token_classification", "--teacher_learning_rate=3e-4", "--learning_rate=3e-4")
SETS = {
    "sst2": (
        "SST-2, 10,000 phrases",
        (CLASSES, "--length=64", *RATES, "--n_epoch=6"),
        _files("{runs}/sst2_10000.tsv", "{data}/glue/SST-2/dev.tsv"),
    ),
    "sst2_all": (
        "SST-2, all 67,349 phrases",
        (CLASSES, "--length=64", *RATES, "--teacher_epochs=2", "--n_epoch=2"),
        _files("{data}/glue/SST-2/train.tsv", "{data}/glue/SST-2/dev.tsv"),
    ),
    "mrpc": ("MRPC", (CLASSES, "--task_data=glue/mrpc", *GLUE), ()),
    "stsb": ("STS-B", (SCORES, "--task_data=glue/stsb", *GLUE, "--teacher_epochs=8"), ()),
    "banking77": (
        "banking77",
        (CLASSES, *SHORT, "--teacher_epochs=4", "--n_epoch=5"),
        _files("{data}/banking77/train.csv", "{data}/banking77/test.csv"),
    ),
    "restaurant": (
        "MIT restaurant",
        (*TAGS, "--length=64"),
        _files("{data}/mit-restaurant/train.txt", "{data}/mit-restaurant/test.txt"),
    ),
    "wnut17": (
        "WNUT17",
        TAGS,
        _files(
            "{data}/wnut17/wnut17train.conll",
            "{data}/wnut17/emerging.test.annotated",
            "{data}/wnut17/emerging.dev.conll",
        ),
    ),
    "ncbi": (
        "NCBI disease",
        TAGS,
        _files(
            "{data}/ncbi-disease/train.tsv",
            "{data}/ncbi-disease/test.tsv",
            "{data}/ncbi-disease/devel.tsv",
        ),
    ),
    SAMPLE: ("sentences of five authors", ("--flagfile=configs/sample_authors.flags",), ()),
    "squad": (
        "new Wikipedia → XQuAD",
        ("--task=question_answering", "--length=192", "--doc_stride=64", "--n_epoch=2"),
        _files("{data}/squadshifts/new_wiki_v1.0.json", "{data}/xquad/xquad.en.json"),
    ),
}


def commands(name, options):
    """The commands of a set, one for each seed.

    Args:
        name: key of `SETS`.
        options: the script's options.

    Returns:
        dict of the output directories to lists of flags.
    """
    _, flags, files = SETS[name]
    folders = {"data": options.data_dir, "runs": options.output_dir}
    shared = [*(flag.format(**folders) for flag in (*flags, *files)), *options.flags]
    models, found = [f"--teacher={options.teacher}", STUDENT], {}
    if name == SAMPLE:  # its flagfile names them
        models = []
    for seed in options.seeds:
        folder = options.output_dir / f"{name}-{seed}"
        found[folder] = [*shared, *models, f"--seed={seed}", f"--output_dir={folder}"]
        tuned = options.output_dir / f"{name}-{options.seeds[0]}" / "teacher"
        models = [f"--teacher={tuned}", *models[1:]]
    return found


def write_phrases(options):
    """Writes the phrases of SST-2 that the set `sst2` takes, the same ones each time."""
    lines = (options.data_dir / "glue/SST-2/train.tsv").read_text("utf-8").splitlines()
    chosen = random.Random(0).sample(lines[1:], PHRASES)
    path = options.output_dir / "sst2_10000.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([lines[0], *chosen]) + "\n", "utf-8")


def row(name, folders):
    """A row of the table.

    Args:
        name: key of `SETS`.
        folders: finished runs that differ in the seed.

    Returns:
        list of str, one for each of `COLUMNS`.
    """
    runs = [json.loads((folder / "metrics.json").read_text("utf-8")) for folder in folders]
    key = runs[0]["primary"]["name"]

    def values(model):
        return [100 * run["models"][model][key] for run in runs]

    student, teacher = values("student"), values("teacher")[0]
    alone = "no_teacher" in runs[0]["models"]  # not with --flags=--baseline=none
    int8 = [100 * run["files"].get(INT8, {}).get(key, float("nan")) for run in runs]
    minutes = [sum(run["seconds"].values()) / 60 for run in runs]
    return [
        f"{SETS[name][0]} (n = {len(runs)})",
        key,
        f"{values('floor')[0]:.1f}",
        f"{teacher:.1f}",
        _spread(values("student_start")),
        _spread(student),
        *([_spread(values("no_teacher")), _lead(runs, key)] if alone else ["", ""]),
        _spread([100 * one / teacher for one in student]),
        _spread([one - other for one, other in zip(int8, student, strict=True)], "+"),
        ", ".join(f"{each:.0f}" for each in minutes),
    ]


def _lead(runs, key):
    """The student's lead over the one without a teacher.

    Of several seeds: mean ± standard deviation; of one: ± paired standard error over the examples.
    """
    found = [run["differences"]["student-no_teacher"][key] for run in runs]
    text = _spread([100 * each["value"] for each in found], "+")
    return text if len(runs) > 1 else f"{text} ± {100 * found[0]['standard_error']:.1f}"


def _spread(values, sign=""):
    """Mean ± sample standard deviation."""
    text = f"{statistics.mean(values):{sign}.1f}"
    return text if len(values) == 1 else f"{text} ± {statistics.stdev(values):.1f}"


def main():
    """Runs what is missing, then prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output_dir", type=Path, default=Path("runs/tasks"))
    parser.add_argument(
        "--flags",
        action="append",
        default=[],
        metavar="FLAG",
        help="another flag of tfdistill.train, such as --flags=--alpha=0.7; may be repeated",
    )
    parser.add_argument("--data_only", action="store_true", help="write data, make no run")
    options = parser.parse_args()
    if options.data_only:
        write_phrases(options)
        return
    table = []
    for name in options.sets or SETS:
        if name == "sst2":
            write_phrases(options)
        runs = commands(name, options)
        for folder, flags in runs.items():
            if not (folder / "metrics.json").is_file():
                words = [sys.executable, "-m", "tfdistill.train", *flags]
                if code := subprocess.run(words).returncode:  # it has said why
                    sys.exit(code)
        table.append(row(name, list(runs)))
    for cells in (COLUMNS, ["---"] * len(COLUMNS), *table):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
