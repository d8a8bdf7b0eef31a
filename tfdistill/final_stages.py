"""The end of a run: its models measured, the student exported, the report written."""

import json
import time

from tfdistill import results
from tfdistill.distillation.ensemble import shares_of
from tfdistill.files import write_atomically
from tfdistill.models.checkpoint import load_model
from tfdistill.progress import duration
from tfdistill.reports.report import write_report
from tfdistill.reports.tensorboard import RunWriter
from tfdistill.sources import teacher_weights


class FinalStages:
    """Evaluates, exports and reports; none of it can cost the trained models.

    Args:
        config: a `RunConfig`.
        run_directory: its `RunDirectory`.
        console: a `Console`.
        finish: called with (stage, when it began, **facts) when a stage is done.
        curves: returns the logged points by stage.
        tokenizer: the `Tokenizer`.
        counts: int64 (vocab,), tokens of the training split.
        test: `EvaluationBatches` of the test split.
        teachers: list of the folders of the teachers.
    """

    def __init__(
        self, config, run_directory, console, *, finish, curves, tokenizer, counts, test, teachers
    ):
        self._config, self._run, self._console = config, run_directory, console
        self._path, self._finish, self._curves = run_directory.path, finish, curves
        self._tokenizer, self._counts, self._test = tokenizer, counts, test
        self._teachers = teachers

    def run(self):
        """Runs what is left of them to do."""
        self._evaluate()
        self._export()
        started = time.perf_counter()
        facts = self._run.facts
        metrics = results.collect(
            self._config.corpus,
            self._run.done("evaluate")["models"],
            self._run.done("export")["files"],
            facts("seconds"),
            max(facts("peak_memory_bytes").values()),
        )
        start = self._run.done("start")
        metrics["start"] = {key: value for key, value in start.items() if key.endswith("_loss")}
        metrics["made_from"] = {"recipe": self._config.recipe, "teacher": self._config.teacher}
        examples = results.fill_examples(self._path, self._tokenizer, self._test.rows)
        curves = self._curves()
        writer = RunWriter(self._path / "tensorboard" / "examples")
        writer.replay([])  # nothing of an earlier try
        writer.text("fill-mask", 0, results.examples_markdown(examples))
        writer.close()
        results.write_card(self._path, metrics)
        write_report(self._path / "report.html", metrics, curves, examples)
        write_atomically(self._path / "metrics.json", json.dumps(metrics, indent=1) + "\n")
        self._finish("report", started)
        self._console.say(f"whole run: {duration(sum(facts('seconds').values()))}")

    def _evaluate(self):
        if self._run.done("evaluate"):
            return
        started = time.perf_counter()
        keys = results.kept_models(self._path)
        line = self._console.progress("evaluate", len(keys) * len(self._test))
        models = results.evaluate_models(
            results.load_models(self._path, keys),
            self._counts,
            self._test,
            progress=lambda key, done: line(done, f"batches of the test split: {key}"),
        )
        if len(self._teachers) > 1:
            teachers = [load_model(folder) for folder in self._teachers]
            shares = shares_of(len(teachers), teacher_weights(self._config))
            models["teachers"] = results.evaluate_together(teachers, shares, self._test)
        self._finish("evaluate", started, models=models)

    def _export(self):
        if self._run.done("export"):
            return
        started = time.perf_counter()
        self._console.say("exporting and running the TFLite files")
        files, failure = results.export_run(
            self._path, self._config.length, self._tokenizer, self._test
        )
        for name, fact in files.items():
            if "agreement" in fact:
                self._console.say(
                    f"{name}: the likeliest word is the model's in {fact['agreement']:.1%} of "
                    f"{fact['positions']:,} places"
                )
        self._finish("export", started, files=files, failure=str(failure) if failure else "")
