"""The doctor's tables and its verdict, as text."""

import math

from tfdistill.diagnosis.batch_memory import SHARE
from tfdistill.diagnosis.workloads import BASE, MINI

LENGTHS = {workload.name: workload.length for workload in (MINI, BASE)}
CLEARLY = 0.9  # ratio of speeds; a smaller difference may be noise
USUAL_BATCH = {workload.name: workload.rows for workload in (MINI, BASE)}


def format_courses(courses, comparison):
    """Writes losses, gradient norms and speed of the trainings as a table.

    Args:
        courses: dict of names to `Course`s, the reference first.
        comparison: `Comparison` of the last with the first, or None for a single training.

    Returns:
        str, several lines.
    """
    lines = [f"{'':<24}{'loss':>16}{'gradient norm':>16}{'tokens/s':>12}"]
    for name, course in courses.items():
        first, last = course.losses[0], course.losses[-1]
        losses = f"{first:.3f} → {last:.3f}"
        norm = course.gradient_norms[-1]
        lines.append(f"{name:<24}{losses:>16}{norm:>16.4f}{course.tokens_per_second:>12,.0f}")
    if comparison:
        lines.append(
            f"{'difference':<24}{comparison.loss:>16.1e}{comparison.gradient_norm:>16.1e}"
            f"   {comparison.problem or 'agrees'}"
        )
    return "\n".join(lines)


def format_batch(name, rows, fixed, per_row):
    """Writes the largest batch of a workload.

    Args:
        name: of the workload.
        rows, fixed, per_row: as `batch_memory.largest_batch` returns.

    Returns:
        str, a line.
    """
    length = LENGTHS[name]
    return (
        f"{name:<24}{rows:>7,} rows of {length:<4} ({fixed / 1e9:.1f} GB and {per_row / 1e6:.1f} "
        f"MB a row, in {SHARE:.0%} of the memory)"
    )


def verdict(choice, courses, comparison, largest):
    """Judges whether training works on this machine.

    Args:
        choice: the `devices.Choice`.
        courses: dict of names to `Course`s, the chosen way last.
        comparison: a `Comparison`, or None.
        largest: dict of workloads to (rows, …), without those that could not be measured.

    Returns:
        (bool, whether training works; str, some sentences, with settings in backquotes).
    """
    *_, (name, course) = courses.items()
    if comparison and comparison.problem:
        return False, f"do not train with {name}: {comparison.problem}. {_remedy(choice)}."
    if not all(map(math.isfinite, course.losses)) or course.losses[-1] >= course.losses[0]:
        return False, f"do not train here: with {name} the loss does not fall."
    sentences = [f"{name} trains correctly, mini at {course.tokens_per_second:,.0f} tokens/s."]
    plain = next(iter(courses.values())).tokens_per_second
    if course.tokens_per_second < CLEARLY * plain:
        sentences += _slower(choice, plain)
    sentences += [_fit(workload, rows) for workload, (rows, *_) in largest.items()]
    return True, " ".join(sentences)


def _remedy(choice):
    if (choice.device, choice.precision) == ("cpu", "float32"):
        return "XLA is at fault: report it with this output"
    remedy = "Use `device`=cpu" if choice.device == "gpu" else "Use `precision`=float32"
    return f"{remedy}, as `device`=auto does here" if choice.on_metal else remedy


def _slower(choice, plain):
    sentences = [f"It is slower than plain steps on the CPU ({plain:,.0f})."]
    if choice.on_metal:
        sentences.append("For models of this size `device`=auto chooses the CPU.")
    elif choice.device == "gpu":
        sentences.append("Models of this size train faster with `device`=cpu.")
    return sentences


def _fit(workload, rows):
    batch = f"batches of {min(rows, USUAL_BATCH[workload])} rows of {LENGTHS[workload]}"
    if rows >= USUAL_BATCH[workload]:
        return f"{workload} fits with {batch}."
    if rows:
        return f"{workload} fits with {batch}; use `gradient_accumulation_steps` for larger ones."
    return f"{workload} does not fit; `remat` needs less memory."
