"""Where the student of a run starts, measured before it learns anything."""

from tfdistill.data.batches import TrainingBatches
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.starts.from_teacher import initialize_student
from tfdistill.starts.from_text import start_from_text
from tfdistill.starts.layer_search import search_size
from tfdistill.starts.unigram import set_unigram_bias
from tfdistill.training.evaluation import scorer

CALIBRATION_BATCHES, CALIBRATION_ROWS = 8, 32  # to fit a narrower student


def make_start(config, plan, console, *, teacher, rows, validation_loss):
    """Cuts the student from the teacher, or initializes it at random.

    Args:
        config: a `RunConfig`.
        plan: its `Plan`.
        console: a `Console`.
        teacher: the `MaskedLanguageModel`; None for a random start.
        rows: `Rows` of the training split.
        validation_loss: called with a scorer; returns nats.

    Returns:
        (`MaskedLanguageModel`, dict of its `validation_loss` and, if it was cut from the teacher,
        the `random_validation_loss` of a student with random weights).
    """
    console.say("making the student's start")
    if plan.student_init == "random":
        start = random_student(config, plan, rows.counts)
    else:
        start = _cut_student(config, plan, console, teacher, rows, validation_loss)
    facts, beside = {"validation_loss": validation_loss(scorer(start))}, ""
    if plan.student_init != "random":
        fresh = validation_loss(scorer(random_student(config, plan, rows.counts)))
        facts["random_validation_loss"] = fresh
        beside = f" (random weights: {fresh:.3f})"
    loss = facts["validation_loss"]
    console.say(f"student starts at validation loss {loss:.3f} nats{beside}")
    return start, facts


def random_student(config, plan, counts):
    """Makes a student with random weights; the head's bias is the tokens' log-frequencies.

    Args:
        config, plan: as for `make_start`.
        counts: int64 (vocab,), tokens of the training split.

    Returns:
        A `MaskedLanguageModel`.
    """
    student = MaskedLanguageModel(plan.student_config, seed=config.seed + 1)
    set_unigram_bias(student, counts)
    return student


def student_from_text(config, plan, rows, ids, special_ids):
    """Makes a student that starts from token counts of the text, as a teacher made here does.

    Args:
        config, plan: as for `make_start`.
        rows: `Rows` of the training split.
        ids: int (tokens,), the text of the split.
        special_ids: ids of the special tokens.

    Returns:
        A `MaskedLanguageModel`.
    """
    seed = config.seed + 1
    student = MaskedLanguageModel(plan.student_config, seed=seed)
    start_from_text(student, ids, rows.counts, special_ids, seed)
    return student


def _cut_student(config, plan, console, teacher, rows, validation_loss):
    """Makes a student of the teacher's weights, with a fresh head if the teacher has none."""
    calibration = TrainingBatches(rows, CALIBRATION_ROWS, config.seed)
    depths = teacher.config.num_hidden_layers, plan.student_config.num_hidden_layers
    line, tried = console.progress("search", search_size(*depths)), []

    def loss_of(layers):
        tried.append(layers)
        found = validation_loss(scorer(teacher, layers))
        line(len(tried), f"layers {layers} alone: loss {found:.3f}")
        return found

    start = initialize_student(
        teacher,
        plan.student_config,
        init=plan.student_init,
        validation_loss=loss_of,
        seed=config.seed + 1,
        calibration=[calibration.at(number) for number in range(CALIBRATION_BATCHES)],
        with_head=True,
    )
    if teacher.head is None:
        set_unigram_bias(start, rows.counts)
    return start
