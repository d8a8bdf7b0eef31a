"""The parts of a run's student, measured on held-out text and exported."""

import tensorflow as tf

from tfdistill.deployment.parts_export import export_parts
from tfdistill.models.model import parameters
from tfdistill.models.part_grid import PartGrid
from tfdistill.models.part_shapes import SpreadShape
from tfdistill.models.subnet import extract_subnet
from tfdistill.run.exported_model import bundle_options
from tfdistill.tasks.metrics import of_sums
from tfdistill.training.paired_bootstrap import paired_errors

STUDENT = "student"


def parts_of_run(context):
    """The parts of the student: dict of names to `PartShape`s; empty without.

    Args:
        context: the `RunContext`.
    """
    grid = context.plan.recipe.phases[-1].parts
    if not isinstance(grid, PartGrid):
        return {}
    return grid.space(context.plan.student_config).shapes()


def measure_parts(context, shapes, whole, progress):
    """Measures the parts on the test split, inside the whole student.

    Args:
        context: the `RunContext`.
        shapes: of `parts_of_run`.
        whole: `RowSums` of the whole student.
        progress: called with a line before each part.

    Returns:
        dict of names to dicts: sizes, `loss`, the task's compared metrics, `standard_errors`, and
        `difference`, dict of the metrics to the part's minus the whole student's (see
        `paired_errors`).
    """
    task, test, model = context.task, context.splits.test, context.models.saved(STUDENT)
    sizes = SpreadShape(*(tf.Variable(0.0) for _ in SpreadShape._fields))
    score, found, sums = task.scorer(model, shape=sizes), {}, {STUDENT: whole}
    for name, shape in shapes.items():
        progress(f"measuring the part {name}")
        for variable, size in zip(sizes, shape, strict=True):
            variable.assign(float(size))
        metrics, _, sums[name] = task.evaluate(score, test, test.source)
        found[name] = {
            "layers": shape.layers,
            "heads": shape.heads,
            "intermediate": shape.intermediate,
            "parameters": parameters(extract_subnet(model, shape))["total"],
            "loss": metrics["loss"],
            **{metric.key: metrics[metric.key] for metric in task.compared},
        }
    errors = paired_errors(sums, [(name, STUDENT) for name in shapes], of_sums(task.compared))
    for name, facts in found.items():
        facts["standard_errors"] = errors.own[name]
        facts["difference"] = errors.differences[f"{name}-{STUDENT}"]
    return found


def export_run_parts(context, shapes, doing):
    """Writes the files of the parts beside the student's; result as `export_parts`.

    Args:
        context: the `RunContext`.
        shapes: of `parts_of_run`.
        doing: called with a description of each part of the work.
    """
    options = bundle_options(context.config, context.task, None)
    directory, model = context.directory.export, context.models.saved(STUDENT)
    given = options, context.tokenizer, context.splits.test, doing
    return export_parts(context.task, model, shapes, directory, *given)


def collect_parts(measured, exported):
    """What metrics.json holds of the parts.

    Args:
        measured: of `measure_parts`.
        exported: of `export_run_parts`.

    Returns:
        dict of `parts`, of names to facts, with `files` by variant; and `part_files`; or {}.
    """
    if not measured:
        return {}
    parts = {name: facts | {"files": exported["parts"][name]} for name, facts in measured.items()}
    return {"parts": parts, "part_files": exported["files"]}
