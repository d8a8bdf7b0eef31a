"""Evaluate: every model of the run is measured on the test split."""

from tfdistill.distillation.teachers import Teachers
from tfdistill.run import measure
from tfdistill.run.description import corpus_name
from tfdistill.run.directory import training_names
from tfdistill.run.fine_tuning import fine_tuned_name
from tfdistill.run.kept_answers import answered_batches
from tfdistill.run.kept_measures import measured_batches
from tfdistill.run.part_results import measure_parts, parts_of_run
from tfdistill.run.sources import teacher_weights
from tfdistill.run.stages.stage import Stage
from tfdistill.system import clock
from tfdistill.training.best import best_point
from tfdistill.training.paired_bootstrap import save_row_sums

VALIDATION = "validation_"  # names of what is measured on the validation split, in a curve's rows


class Evaluate(Stage):
    """Measures the models, with the sampling errors of their differences."""

    name = "evaluate"

    def run(self, context):
        """Measures one model after the other, and the mean of several teachers."""
        started = clock.now()
        context.models.release_training()
        splits, keys = context.splits, context.directory.models()
        line = context.console.progress(self.name, len(keys) * len(splits.test))
        line.note("loading the models")
        models, sums = measure.evaluate_models(
            context.task,
            ((key, context.models.saved(key)) for key in keys),
            splits.train,
            splits.test,
            progress=lambda key, done: line(done, f"batches of the test split: {key}"),
            teacher=_teacher(context),
        )
        if len(context.plan.teacher_names) > 1:
            models["teachers"], sums["teachers"] = _evaluate_mean(context)
        if context.task.kind:
            for key, point in _validation_points(context).items():
                models[key]["validation"] = point
        parts = parts_of_run(context)
        if parts:
            parts = measure_parts(context, parts, sums["student"], line.note)
        differences = measure.add_errors(context.task, models, sums)
        save_row_sums(context.directory.row_sums, sums)
        corpus = corpus_name(context)
        results = dict(models=models, differences=differences, parts=parts)
        context.finish(self.name, started, corpus=corpus, **results)


def _validation_points(context):
    """The point of the validation curve that each trained model comes from.

    Returns:
        dict of the models' keys to dicts of `step`, `loss` and the metrics of the curve.
    """
    phases = context.plan.recipe.phases
    trained_as = {
        "student": training_names("student", phases)[-1],
        "teacher": fine_tuned_name(context),
    }
    found = {}
    for key in context.directory.models():
        rows = context.trainer.rows(trained_as.get(key, key))
        if key == "student" and phases[-1].parts is not None:  # its last step counts
            point = next((row for row in rows[::-1] if "validation_loss" in row), None)
        else:
            point = best_point(rows, context.task.primary)
        if point:
            found[key] = _measured(point)
    return found


def _measured(point):
    """The step and what was measured there."""
    values = {
        name.removeprefix(VALIDATION): value
        for name, value in point.items()
        if name.startswith(VALIDATION)
    }
    return {"step": point["step"], **values}


def _teacher(context):
    """How the teacher is measured: by its logits or measures, which are kept between runs."""
    if not context.directory.teacher.is_dir():
        return None
    if context.task.kind:
        return answered_batches(context, context.teacher_splits.test.source)
    if context.task.pairs or context.models.saved("teacher").head is None:
        return None
    return measured_batches(context)


def _evaluate_mean(context):
    context.console.say("measuring the mean of the teachers")
    task, models = context.task, context.models.saved_teachers(len(context.plan.teacher_names))
    teachers = Teachers(models, teacher_weights(context.config))
    if task.kind:
        source = context.teacher_splits.test.source
        return measure.evaluate_together(
            task, teachers, *answered_batches(context, source, teachers.shares)
        )
    scorer = task.scorer(teachers)
    return measure.evaluate_together(task, teachers, scorer, context.splits.test)
