"""A finished run's folder, as a stranger may hand it over, and the commands that read it."""

import shutil
from pathlib import Path

import numpy as np

FILES = Path(__file__).parent / "run"  # of the bundled job, `bash scripts/mini.sh`


def run_folder():
    """dict of the names of files to bytes."""
    from safetensors.numpy import save

    sums = {
        f"{model}.{key}": np.arange(1, 9, dtype=np.int64 if key == "predictions" else np.float64)
        for model in ("teacher", "student", "unigram")
        for key in ("loss", "top1", "top5", "predictions")
    }
    return {
        "metrics.json": (FILES / "metrics.json").read_bytes(),
        "flags.txt": (FILES / "flags.txt").read_bytes(),
        "checkpoints/state.json": (FILES / "state.json").read_bytes(),
        "checkpoints/student/curve.jsonl": (FILES / "curve.jsonl").read_bytes(),
        "checkpoints/row_sums.safetensors": save(sums),
    }


class _Quiet:
    """A console that shows nothing."""

    def say(self, *lines):
        pass

    warn = note = say


def read(folder):
    """Compares the run with itself, asks for advice on it, and takes its settings."""
    from tfdistill.command_line.run_config import RunConfig
    from tfdistill.evaluate import COMMAND
    from tfdistill.run.compared_runs import compare_folders
    from tfdistill.run.directory import stored_folder, stored_machine
    from tfdistill.run.finished_advice import advise_on_run

    other = folder.parent / "tmp" / "other"
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(folder, other)
    page = str(folder.parent / "tmp" / "page.html")
    config = RunConfig(runs=f"{folder},{other}", page=page, run=str(folder))
    without_plots(lambda: compare_folders(config, _Quiet()))
    advise_on_run(config, _Quiet())
    stored_machine(folder), stored_folder(folder)
    COMMAND.config([f"--output_dir={folder}"])


def without_plots(body):
    """Runs a function without Matplotlib, which is most of a page's time."""
    from tfdistill.reports import comparison_page

    usual = comparison_page._curves
    comparison_page._curves = lambda comparison: ""
    try:
        body()
    finally:
        comparison_page._curves = usual
