"""Report: metrics.json, the page, the table in Markdown and the model card."""

from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.deployment.mediapipe import MEDIAPIPE_FILE
from tfdistill.deployment.model_card import write_model_card
from tfdistill.deployment.predictor import Predictor
from tfdistill.reports.markdown import results_markdown
from tfdistill.reports.report import write_report
from tfdistill.reports.tensorboard import RunWriter, examples_table
from tfdistill.reports.units import duration
from tfdistill.run.baselines import baseline_keys
from tfdistill.run.description import corpus_name, describe_run, describe_sources
from tfdistill.run.directory import training_names
from tfdistill.run.metrics import collect, labelled_facts
from tfdistill.run.part_results import collect_parts
from tfdistill.run.stages.stage import Stage
from tfdistill.system import clock, strict_json
from tfdistill.system.files import write_atomically


class Report(Stage):
    """Writes everything that people read; metrics.json comes last."""

    name = "report"

    def is_done(self, context):
        """Whether the files are written, and metrics.json is still there."""
        return context.directory.is_finished

    def run(self, context):
        """Collects the facts of all stages and writes the files."""
        started, directory = clock.now(), context.directory
        context.console.say("writing the report")
        metrics = _metrics(context)
        task, test = context.task, context.splits.test
        shown = task.examples(context.tokenizer, test.source, _predictors(context))
        _write_examples(context, shown)
        student = context.models.saved("student").config
        write_model_card(task, directory.model_card, student, metrics["export"], metrics)
        write_report(directory.report, metrics, _curves(context), shown)
        write_atomically(directory.results, results_markdown(metrics))
        write_atomically(directory.metrics, strict_json.dumps(metrics, indent=1, seal=True) + "\n")
        context.finish(self.name, started)
        seconds = sum(directory.facts("seconds").values())
        context.console.say(f"whole run: {duration(seconds)}")


def _metrics(context):
    directory = context.directory
    evaluated, start = directory.done("evaluate"), directory.done("start")
    task, prepared = context.task, directory.done("prepare")
    metrics = collect(
        corpus_name(context),
        evaluated["models"],
        evaluated.get("differences", {}),
        directory.done("export")["files"],
        describe_sources(context.config, context.plan),
    )
    teacher = directory.done("teacher") or {}
    run = describe_run(
        context.config,
        context.plan,
        steps=context.student_steps,
        # Runs that began with an earlier version have stored no steps.
        teacher_steps=teacher.get("steps", context.plan.teacher_steps),
        corpus={"name": metrics["corpus"], "splits": prepared["statistics"]},
        machine=context.machine,
    )
    if task.kind:
        data = {**context.data.facts, "splits": prepared["statistics"]}
        if augmented := directory.done("augmentation"):
            data["augmentation"] = augmented["facts"]
        files = dict(directory.done("export")["files"])
        mediapipe = directory.done("export").get("mediapipe") or {}
        if "latency_ms" in mediapipe:  # not in exports of an earlier version
            files[MEDIAPIPE_FILE] = mediapipe
        facts = labelled_facts(task, files, data, run)
        facts["made_from"] = metrics["made_from"] | facts["made_from"]
        metrics |= facts
    parts = collect_parts(evaluated.get("parts"), directory.done("export").get("parts"))
    return (
        metrics
        | parts
        | {
            "seconds": directory.facts("seconds"),
            "peak_memory_bytes": max(directory.facts("peak_memory_bytes").values()),
            "start": {key: value for key, value in start.items() if key.endswith("_loss")},
            "run": run,
        }
    )


def _predictors(context):
    """The models whose predictions the report shows: dict of names to predictors."""
    keys = [key for key in ("teacher", "student") if context.directory.model(key).is_dir()]
    models = {key: context.models.saved(key) for key in keys}
    return {
        key: _predictor(context.task, model, context.tokenizers._asdict()[key])
        for key, model in models.items()
        if model.head is not None
    }


def _predictor(task, model, tokenizer):
    if task.kind:
        return LabelPredictor.of_model(model, tokenizer)
    return Predictor.of_model(model, tokenizer, task)


def _write_examples(context, shown):
    words = context.task.words
    writer = RunWriter(context.directory.tensorboard("examples"))
    writer.replay([])  # an earlier start may have written them
    writer.text(words.examples_panel, 0, examples_table(shown, words.truth))
    writer.close()


def _curves(context):
    """Logged points by stretch of training; the steps of a student's phases count on."""
    trainer = context.trainer
    curves, done = {"teacher": trainer.rows("teacher")}, 0
    for stage in training_names("student", context.plan.recipe.phases):
        rows = trainer.rows(stage)
        curves[stage] = [row | {"step": done + row["step"]} for row in rows]
        done += rows[-1]["step"] if rows else 0
    baselines = baseline_keys(context.config, context.task)
    return curves | {key: trainer.rows(key) for key in baselines}
