"""Runs tasks with labels on published data sets and prints the table of docs/RESULTS.md.

    python scripts/task_results.py --data_dir=DIR --teacher=DIR [SET ...] [--seeds 0 1 2]

DIR of the data holds folders of GLUE (glue/), banking77, mit-restaurant, wnut17, ncbi-disease,
squadshifts and xquad. The teacher is a Hugging Face directory of an encoder of 6 layers and width
384; the first seed's run fine-tunes it for the set, the others take that one. The student has 3 of
its layers. Finished runs are skipped, so the same command goes on after a stop.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

CLASSES, NUMBER = "--task=text_classification", "--task=regression"
TAGS, SPANS = "--task=token_classification", "--task=question_answering"
SMALL = ("--teacher_learning_rate=1e-4", "--n_epoch=4")
TAGGER = (TAGS, "--teacher_learning_rate=3e-4", "--learning_rate=3e-4")
SETS = {
    "sst2": (
        "SST-2, 10,000 phrases",
        (CLASSES, "--length=64", "--teacher_learning_rate=1e-4", "--n_epoch=3"),
    ),
    "mrpc": ("MRPC", (CLASSES, "--task_data=glue/mrpc", "--data_dir={data}/glue", *SMALL)),
    "stsb": ("STS-B", (NUMBER, "--task_data=glue/stsb", "--data_dir={data}/glue", *SMALL)),
    "banking77": (
        "banking77",
        (
            CLASSES,
            "--length=64",
            "--teacher_learning_rate=3e-4",
            "--teacher_epochs=4",
            "--learning_rate=3e-4",
            "--n_epoch=5",
        ),
    ),
    "restaurant": ("MIT restaurant", (*TAGGER, "--length=64")),
    "wnut17": ("WNUT17", TAGGER),
    "ncbi": ("NCBI disease", TAGGER),
    "squad": ("new Wikipedia → XQuAD", (SPANS, "--length=192", "--doc_stride=64", "--n_epoch=2")),
}
FILES = {
    "sst2": ("{runs}/sst2_10000.tsv", "", "glue/SST-2/dev.tsv"),
    "banking77": ("banking77/train.csv", "", "banking77/test.csv"),
    "restaurant": ("mit-restaurant/train.txt", "", "mit-restaurant/test.txt"),
    "wnut17": (
        "wnut17/wnut17train.conll",
        "wnut17/emerging.dev.conll",
        "wnut17/emerging.test.annotated",
    ),
    "ncbi": ("ncbi-disease/train.tsv", "ncbi-disease/devel.tsv", "ncbi-disease/test.tsv"),
    "squad": ("squadshifts/new_wiki_v1.0.json", "", "xquad/xquad.en.json"),
}
SPLITS = ("train", "validation", "test")
PHRASES = 10_000
COLUMNS = (
    "data", "metric, %", "floor", "teacher", "student before distillation", "student",
    "no teacher", "student − no teacher", "share of the teacher's %", "int8 file", "minutes",
)  # fmt: skip


def commands(name, options):
    """The commands of a set, one for each seed.

    Args:
        name: key of `SETS`.
        options: the script's options.

    Returns:
        dict of the output directories to lists of flags.
    """
    found = {}
    for seed in options.seeds:
        folder = options.output_dir / f"{name}-{seed}"
        first = options.output_dir / f"{name}-{options.seeds[0]}"
        teacher = options.teacher if folder == first else first / "teacher"
        flags = [flag.format(data=options.data_dir) for flag in SETS[name][1]]
        for split, file in zip(SPLITS, FILES.get(name, ()), strict=False):
            if file:
                path = file.format(runs=options.output_dir)
                path = path if path != file else options.data_dir / file
                flags.append(f"--{split}_data={path}")
        own = f"--teacher={teacher}", f"--seed={seed}", f"--output_dir={folder}"
        found[folder] = [*flags, "--student_config=L-3_H-384_A-12", *own, *options.flags]
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

    student, alone = values("student"), values("no_teacher")
    teacher = values("teacher")[0]
    lead = [one - other for one, other in zip(student, alone, strict=True)]
    int8 = [
        100 * run["files"].get("student_int8.tflite", {}).get(key, float("nan")) for run in runs
    ]
    lost = [one - other for one, other in zip(int8, student, strict=True)]
    minutes = [sum(run["seconds"].values()) / 60 for run in runs]
    return [
        f"{SETS[name][0]} (n = {len(runs)})",
        key,
        f"{values('floor')[0]:.1f}",
        f"{teacher:.1f}",
        _spread(values("student_start")),
        _spread(student),
        _spread(alone),
        _spread(lead, "+"),
        _spread([100 * one / teacher for one in student]),
        _spread(lost, "+"),
        ", ".join(f"{each:.0f}" for each in minutes),
    ]


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
    parser.add_argument("--flags", nargs="*", default=[], help="more flags of tfdistill.train")
    options = parser.parse_args()
    table = []
    for name in options.sets or SETS:
        if name == "sst2":
            write_phrases(options)
        runs = commands(name, options)
        for folder, flags in runs.items():
            if not (folder / "metrics.json").is_file():
                subprocess.run([sys.executable, "-m", "tfdistill.train", *flags], check=True)
        table.append(row(name, list(runs)))
    for cells in (COLUMNS, ["---"] * len(COLUMNS), *table):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
