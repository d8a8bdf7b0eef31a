"""The end of a run: its models measured, the student exported, the report written."""

import json
import time
from typing import NamedTuple

import numpy as np

from tfdistill.data.batches import EvaluationBatches
from tfdistill.data.tokenizer import Tokenizer
from tfdistill.distillation.ensemble import shares_of
from tfdistill.models.hugging_face.checkpoint import load_model
from tfdistill.reports.markdown import results_markdown
from tfdistill.reports.report import write_report
from tfdistill.reports.tensorboard import RunWriter
from tfdistill.reports.units import duration
from tfdistill.run import examples, results
from tfdistill.run.sources import teacher_weights
from tfdistill.system.files import write_atomically
from tfdistill.training.paired_bootstrap import ROW_SUMS_FILE, save_row_sums


class Text(NamedTuple):
    """What a run is measured on.

    Args:
        tokenizer: the `Tokenizer`.
        counts: int64 (vocab,), tokens of the training split.
        test: `EvaluationBatches` of the test split.
    """

    tokenizer: Tokenizer
    counts: np.ndarray
    test: EvaluationBatches


class FinalStages:
    """Evaluates, exports and reports; none of it can cost the trained models.

    Args:
        config: a `RunConfig`.
        run_directory: its `RunDirectory`.
        console: a `Console`.
        finish: called with (stage, when it began, **facts) when a stage is done.
        curves: returns the logged points by stage.
        text: a `Text`.
        about: dict of `made_from` (see `criteria.verdict`) and `run` (of `describe_run`).
        teachers: list of the folders of the teachers.
    """

    def __init__(self, config, run_directory, console, *, finish, curves, text, about, teachers):
        self._config, self._run, self._console = config, run_directory, console
        self._path, self._finish, self._curves = run_directory.path, finish, curves
        self._tokenizer, self._counts, self._test = text
        self._about, self._teachers = about, teachers

    def run(self):
        """Runs what is left of them to do."""
        self._evaluate()
        self._export()
        started = time.perf_counter()
        self._console.say("writing the report")
        metrics = self._metrics()
        found = examples.fill_examples(self._path, self._tokenizer, self._test.rows)
        curves = self._curves()
        writer = RunWriter(self._path / "tensorboard" / "examples")
        writer.replay([])  # nothing of an earlier try
        writer.text("fill-mask", 0, examples.examples_markdown(found))
        writer.close()
        results.write_card(self._path, metrics)
        write_report(self._path / "report.html", metrics, curves, found)
        write_atomically(self._path / "results.md", results_markdown(metrics))
        write_atomically(self._path / "metrics.json", json.dumps(metrics, indent=1) + "\n")
        self._finish("report", started)
        self._console.say(f"whole run: {duration(sum(self._run.facts('seconds').values()))}")

    def _metrics(self):
        evaluated, start = self._run.done("evaluate"), self._run.done("start")
        metrics = results.collect(
            self._config.corpus,
            evaluated["models"],
            evaluated.get("differences", {}),
            self._run.done("export")["files"],
            self._about["made_from"],
        )
        return metrics | {
            "seconds": self._run.facts("seconds"),
            "peak_memory_bytes": max(self._run.facts("peak_memory_bytes").values()),
            "start": {key: value for key, value in start.items() if key.endswith("_loss")},
            "run": self._about["run"],
        }

    def _evaluate(self):
        if self._run.done("evaluate"):
            return
        started = time.perf_counter()
        keys = results.kept_models(self._path)
        line = self._console.progress("evaluate", len(keys) * len(self._test))
        line.note("loading the models")
        models, sums = results.evaluate_models(
            results.load_models(self._path, keys),
            self._counts,
            self._test,
            progress=lambda key, done: line(done, f"batches of the test split: {key}"),
        )
        if len(self._teachers) > 1:
            self._console.say("measuring the mean of the teachers")
            teachers = [load_model(folder) for folder in self._teachers]
            shares = shares_of(len(teachers), teacher_weights(self._config))
            models["teachers"], sums["teachers"] = results.evaluate_together(
                teachers, shares, self._test
            )
        differences = results.add_errors(models, sums)
        save_row_sums(self._path / "checkpoints" / ROW_SUMS_FILE, sums)
        self._finish("evaluate", started, models=models, differences=differences)

    def _export(self):
        if self._run.done("export"):
            return
        started = time.perf_counter()
        line = self._console.progress("export", None)
        files, failure = results.export_run(
            self._path, self._config.length, self._tokenizer, self._test, line.note
        )
        for name, fact in files.items():
            if "agreement" in fact:
                self._console.say(
                    f"{name}: the likeliest word is the model's in {fact['agreement']:.1%} of "
                    f"{fact['positions']:,} places"
                )
        self._finish("export", started, files=files, failure=str(failure) if failure else "")
