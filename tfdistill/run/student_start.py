"""The start of the student: made, and measured before its first training step."""

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.run.baselines import TEXT
from tfdistill.run.planned_shapes import GIVEN, TOKENS, WORD_VECTORS
from tfdistill.starts.from_tokens import fill, token_rows, token_vectors
from tfdistill.starts.layer_search import search_size
from tfdistill.starts.width.rewiring import rewire
from tfdistill.starts.word_tables import vectors_of_file, word_table


def make_start(context, teacher):
    """Loads the student, cuts it from the teacher, or makes it from the text or random numbers.

    Args:
        context: the `RunContext`.
        teacher: the `Model`; None for a random start.

    Returns:
        (`Model`, dict of its `validation_loss` and, for a student that is not random,
        `random_validation_loss`).
    """
    console, is_random = context.console, context.plan.student_init == "random"
    console.say("making the student's start")
    if context.plan.student_init == GIVEN:
        start = _given_student(context)
    elif context.plan.student_init == TEXT:
        start = student_from_text(context)
    elif context.plan.student_init == TOKENS:
        start = _student_from_tokens(context, teacher)
    elif is_random:
        start = random_student(context)
    elif get_model_type(context.plan.student_config.model_type).own_words:
        start = _student_of_words(context, teacher)
    else:
        start = _cut_student(context, teacher)
    if context.plan.recipe.phases[0].rewired:
        _rewire(context, start)
    facts, beside = {"validation_loss": context.validator(start)()}, ""
    if not is_random:
        fresh = context.validator(random_student(context))()
        facts["random_validation_loss"] = fresh
        beside = f" (random weights: {fresh:.3f})"
    loss = facts["validation_loss"]
    unit = f" {context.task.loss_unit}" if context.task.loss_unit else ""
    console.say(f"student starts at validation loss {loss:.3f}{unit}{beside}")
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


def _rewire(context, start):
    """Sorts the student's heads and neurons by their importance to the loss on the labels."""
    task, config = context.task, context.config
    context.console.say("sorting heads and neurons by importance")
    batches = task.calibration_batches(context.splits.train, config.seed)
    rewire(start, batches, task.hard_loss)


def _student_from_tokens(context, teacher):
    """A student without layers, made of what the teacher says to each token alone."""
    student = random_student(context)
    rows, mask = token_rows(context.tokenizers.student, context.tokenizers.teacher)
    line = context.console.progress("tokens", len(rows))
    vectors = token_vectors(teacher, rows, mask, progress=line)
    fill(student, vectors, context.splits.train.token_counts(len(rows)))
    return student


def _student_of_words(context, teacher):
    """A random student with the word embeddings of its teacher, or of a file."""
    student, tokenizer = random_student(context), context.tokenizer
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.vocab_size)]
    if context.plan.student_init == WORD_VECTORS:
        vectors = vectors_of_file(context.config.word_vectors, tokenizer)
    else:
        names, rows = context.tokenizers.teacher, teacher.encoder.embeddings.word_embeddings.numpy()
        vectors = {names.id_to_token(i): rows[i] for i in range(names.vocab_size)}
    width = student.config.embedding_size
    table = word_table(vectors, tokens, width, context.config.seed + 1)
    table[tokenizer.pad_id] = 0.0
    student.encoder.embeddings.word_embeddings.assign(table)
    known = sum(token in vectors for token in tokens)
    context.console.say(f"word embeddings: {known:,} of {len(tokens):,} tokens have one")
    return student


def _given_student(context):
    """The model that `student` names; a head that it lacks is a fresh one."""
    task, name = context.task, context.config.student
    start = task.load_for_training(name, context.config.seed + 1)
    if task.describe(name).head is None:
        task.set_prior(start, context.splits.train)
    return start


def _cut_student(context, teacher):
    """A student made of the teacher's weights; a head that the teacher lacks is a fresh one."""
    plan, task, train = context.plan, context.task, context.splits.train
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
        calibration=task.calibration_batches(train, context.config.seed),
    )
    if teacher.head is None:
        task.set_prior(start, train)
    return start
