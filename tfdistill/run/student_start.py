"""The start of the student: made, and measured before its first training step."""

from tfdistill.data.batches import TrainingBatches
from tfdistill.starts.layer_search import search_size
from tfdistill.tasks.task import CALIBRATION

CALIBRATION_BATCHES, CALIBRATION_ROWS = 8, 32  # on which a narrower student is fitted


def make_start(context, teacher):
    """Cuts the student from the teacher, or makes it of random numbers.

    Args:
        context: the `RunContext`.
        teacher: the `Model`; None for a random start.

    Returns:
        (`Model`, dict of its `validation_loss` and, for a student that was cut,
        `random_validation_loss`).
    """
    console, is_random = context.console, context.plan.student_init == "random"
    console.say("making the student's start")
    start = random_student(context) if is_random else _cut_student(context, teacher)
    facts, beside = {"validation_loss": context.validator(start)()}, ""
    if not is_random:
        fresh = context.validator(random_student(context))()
        facts["random_validation_loss"] = fresh
        beside = f" (random weights: {fresh:.3f})"
    loss = facts["validation_loss"]
    console.say(f"student starts at validation loss {loss:.3f} nats{beside}")
    return start, facts


def random_student(context):
    """A student of random numbers, with a head that knows the frequencies of the labels.

    Args:
        context: the `RunContext`.

    Returns:
        A `Model`.
    """
    student = context.task.model(context.plan.student_config, context.config.seed + 1)
    context.task.set_prior(student, context.splits.train)
    return student


def student_from_text(context):
    """A student that starts like a teacher made here: from statistics of the text.

    Args:
        context: the `RunContext`.

    Returns:
        A `Model`.
    """
    task, splits, seed = context.task, context.splits, context.config.seed + 1
    student = task.model(context.plan.student_config, seed)
    task.start_from_text(student, splits.train_ids, splits.train, context.tokenizer, seed)
    return student


def _cut_student(context, teacher):
    """A student made of the teacher's weights; a head that the teacher lacks is a fresh one."""
    plan, task, train = context.plan, context.task, context.splits.train
    transform = task.transform(train, CALIBRATION)
    calibration = TrainingBatches(train, CALIBRATION_ROWS, context.config.seed, transform)
    depths = teacher.config.num_hidden_layers, plan.student_config.num_hidden_layers
    line, tried = context.console.progress("search", search_size(*depths)), []

    def loss_of(layers):
        tried.append(layers)
        found = context.validator(teacher, layers)()
        line(len(tried), f"layers {layers} alone: loss {found:.3f}")
        return found

    start = task.initialize_student(
        teacher,
        plan.student_config,
        init=plan.student_init,
        validation_loss=loss_of,
        seed=context.config.seed + 1,
        calibration=[calibration.at(number) for number in range(CALIBRATION_BATCHES)],
    )
    if teacher.head is None:
        task.set_prior(start, train)
    return start
