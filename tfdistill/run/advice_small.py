"""Students without a Transformer's layers, for tasks with labels: they fit the smallest budgets.

The measured numbers are those of docs/RESULTS.md, "A BiLSTM on SST-2" and "Published task systems".
"""

from typing import NamedTuple

from tfdistill.run.advice_settings import Choice

BILSTM_MB = 1.86  # its int8 file there, with 9,999 tokens
BILSTM_TASKS = "text_classification", "regression", "token_classification"
STATIC_TASKS = "text_classification", "regression"
WIDTHS = 256, 192, 128, 96, 64, 32  # of a static student; the first is the default


class Way(NamedTuple):
    """A student of another type than its teacher.

    Args:
        what: it is.
        flags: the settings that make it, as they stand in messages.
        fact: its size, and what is known of its quality.
    """

    what: str
    flags: str
    fact: str


def static_bytes(vocabulary, width):
    """The size of a static student's int8 file, but for the classes: int.

    Args:
        vocabulary: tokens; each has a row of `width` numbers and a scale.
        width: numbers.
    """
    return vocabulary * (width + 4)


def ways(task, teacher, budget_mb):
    """The students without layers that a task can have within a budget.

    Args:
        task: name of the task.
        teacher: its `Size`; a table is no wider.
        budget_mb: setting; 0 for no limit.

    Returns:
        list of `Way`s.
    """
    most, found = budget_mb or float("inf"), []
    if task in BILSTM_TASKS and most >= BILSTM_MB:
        flags = "`student_type`=bilstm `recipe`=bilstm `augmentation`=bilstm"
        fact = (
            f"int8 file of {BILSTM_MB} MB with 9,999 tokens; it kept 93.3 % of its teacher's "
            "accuracy on SST-2 (docs/RESULTS.md); it needs a WordPiece tokenizer"
        )
        found.append(Way("a BiLSTM", flags, fact))
    rows, narrow = teacher.vocabulary, [n for n in WIDTHS if n <= teacher.width]
    fitting = [n for n in narrow if static_bytes(rows, n) <= 1e6 * most]
    if task in STATIC_TASKS and fitting:
        flags = f"`student_type`=static `recipe`=static `student_config`=H-{fitting[0]}"
        size = static_bytes(rows, fitting[0]) / 1e6
        fact = (
            f"int8 file of about {size:.1f} MB; with 256 numbers a token it kept 91.0 % of its "
            "teacher's accuracy on SST-2, one seed (docs/RESULTS.md)"
        )
        found.append(Way("a table of vectors without layers", flags, fact))
    return found


def remarks(task, teacher, budget_mb):
    """Remarks that name these students: a list of `Choice`s; arguments as for `ways`."""
    return [
        Choice(
            "",
            None,
            f"{each.what} is another way ({each.fact}): leave `student_config`, `student_init`, "
            f"`temperature` and `learning_rate` out, and give {each.flags}",
        )
        for each in ways(task, teacher, budget_mb)
    ]


def instead(task, teacher, budget_mb):
    """The end of the error that no Transformer fits; "" for none; arguments as for `ways`."""
    told = [f"{each.what}, {each.flags} ({each.fact})" for each in ways(task, teacher, budget_mb)]
    return f"; or train {', or '.join(told)}" if told else ""
