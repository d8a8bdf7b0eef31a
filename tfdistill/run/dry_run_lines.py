"""What a dry run prints: models, steps, memory, disk and time of a run, a line each."""

from tfdistill.reports.table import MODEL_NAMES
from tfdistill.reports.units import duration
from tfdistill.run.recipe_checks import split_steps
from tfdistill.starts.compatibility import split_start
from tfdistill.starts.depth_maps import DEPTH_MAPS
from tfdistill.system import hardware

LITTLE = 0.9  # of the memory or the disk: more is warned of


def dry_run_lines(found, rate, free):
    """The estimates of a run, as text.

    Args:
        found: its `DryRun`.
        rate: see `DryRun.seconds`.
        free: bytes free on the disk of the run.

    Returns:
        list of lines.
    """
    plan, config, machine = found.context.plan, found.context.config, found.context.machine
    lines = [
        f"task     {config.task}, recipe {plan.recipe.name}, on {machine.device} in "
        f"{machine.precision}{', compiled' if machine.jit_compile else ''}",
        *_model_lines(found.sizes, plan),
    ]
    if found.reaches("start"):
        starts = [MODEL_NAMES[key].removeprefix("baseline, ") for key in found.baselines]
        without = ", ".join(starts) or "none"
        lines.append(f"start    {_start(plan)}; students without a teacher: {without}")
    lines.append(f"steps    {_steps(found, config)}{_phases(found.steps.get('student'), plan)}")
    memory, whole = found.memory, hardware.memory_bytes()
    lines.append(f"memory   up to {memory / 1e9:.1f} GB of the {whole / 1e9:.1f} GB here")
    if memory > LITTLE * whole:
        lines.append("         too much: lower `batch_size` or `length`, or set `remat`")
    most, kept = found.disk
    lines.append(
        f"disk     up to {most / 1e9:.2f} GB, of which {kept / 1e9:.2f} stay; "
        f"{free / 1e9:.1f} GB are free"
    )
    if most > LITTLE * free:
        lines.append("         too much: name an `output_dir` on another disk")
    return [*lines, f"time     {_time(found, rate)}"]


def _model_lines(sizes, plan):
    shapes = {"teacher": plan.teacher_config, "student": plan.student_config}
    return [
        f"{name:8} {shapes[name].model_type}, {size.layers} layers × "
        f"{shapes[name].hidden_size}, {size.parameters / 1e6:.1f} million parameters"
        for name, size in sizes.items()
    ]


def _start(plan):
    """Where the student starts; a map of layers says nothing where it leaves none out."""
    depth, _ = split_start(plan.student_init)
    if plan.teacher_config is None or depth not in (*DEPTH_MAPS, "search"):
        return plan.student_init
    whole = plan.teacher_config.num_hidden_layers == plan.student_config.num_hidden_layers
    return f"{plan.student_init}, here all layers of the teacher" if whole else plan.student_init


def _steps(found, config):
    about = "about " if found.guesses_steps else ""
    words = [
        f"{name} unknown" if steps is None else f"{name} {about * found.is_ours(name)}{steps:,}"
        for name, steps in found.steps.items()
    ]
    more = "; `augmentation` adds steps" if config.augmentation and found.reaches("student") else ""
    return (", ".join(words) or "none") + more


def _phases(steps, plan):
    """The phases of the student, if there are several; "" where its steps are unknown."""
    phases = plan.recipe.phases
    if steps is None or len(phases) == 1:
        return ""
    counts = zip(phases, split_steps(steps, phases), strict=True)
    return f"; phases: {', '.join(f'{phase.name} {n:,}' for phase, n in counts)}"


def _time(found, rate):
    if not found.steps:
        return "nothing is trained"
    seconds = found.seconds(rate)
    between = " to ".join(map(duration, seconds)) if seconds else "unknown, as the steps are"
    return f"of training, {between}; the rest, such as compiling, comes on top"
