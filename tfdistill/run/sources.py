"""The sources of a run: its tokenizer, and teachers to load."""

import glob
import os
from pathlib import Path
from typing import NamedTuple

from tfdistill.data.augmentation.texts import texts_of
from tfdistill.data.cut_tokenizer import cut_tokenizer
from tfdistill.data.text_tokenizer import TextTokenizer, load_text_tokenizer
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.hugging_face.sentence_encoders import transformer_folder
from tfdistill.run.baselines import TEXT
from tfdistill.settings.settings import options_of
from tfdistill.system.errors import UserError


def require_sources_outside(config):
    """Refuses to delete an old run that holds a source of the new one.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: a path lies in `output_dir`, and `force` is set.
    """
    run = Path(config.output_dir).resolve()
    if not config.force:
        return
    sources = {name: option for name, option in options_of(config).items() if option.source}
    for name, option in sources.items():
        for path in paths_in(getattr(config, name), option):
            found = [path] if os.path.exists(path) else glob.glob(path, recursive=True)
            if any(Path(each).resolve().is_relative_to(run) for each in found):
                raise UserError(
                    f"`force` would delete `{name}`={path}, which lies in `output_dir`={run}: name "
                    "another `output_dir`"
                )


def paths_in(value, option):
    """Splits the value of a setting into its paths; a folder may have a comma in its name.

    Args:
        value: str.
        option: the `Option` of the setting.

    Returns:
        list of str.
    """
    if not option.separator or os.path.exists(value):
        return [value]
    return [path.strip() for path in value.split(option.separator)]


def require_same_vocabulary(config, task, names, tokenizer):
    """Refuses a tokenizer whose vocabulary differs from that of a loaded teacher.

    Args:
        config: a `RunConfig`.
        task: the `Task`.
        names: list of the folders or hub names that the teachers are loaded from.
        tokenizer: the tokenizer of the run.

    Raises:
        UserError: the vocabularies differ.
    """
    from tfdistill.models.hugging_face.checkpoint import resolve_directory  # needs TensorFlow

    source = f"`tokenizer`={config.tokenizer}"
    if names and not config.tokenizer:  # the run uses that of the first teacher
        source, *names = f"`teacher`={names[0]}", *names[1:]
    for name in names:
        directory = resolve_directory(name)
        if not holds_tokenizer(directory):
            continue
        try:
            own = tokenizer_of(task, str(directory))
        except UserError:
            if config.tokenizer:  # replaces a tokenizer that cannot be read
                continue
            raise
        ids = range(own.vocab_size)
        same = own.vocab_size == tokenizer.vocab_size
        if not same or any(own.id_to_token(i) != tokenizer.id_to_token(i) for i in ids):
            raise UserError(
                f"{source} ({tokenizer.vocab_size} tokens) and `teacher`={name} "
                f"({own.vocab_size}): their vocabularies differ; leave one of them out"
            )


def _may_hold_tokenizer(name):
    """Whether a folder holds a tokenizer; a hub name may."""
    return not Path(name).is_dir() or holds_tokenizer(name)


def holds_tokenizer(folder):
    """Whether a folder holds a tokenizer.

    Args:
        folder: its path.
    """
    return any((Path(folder) / name).is_file() for name in ("tokenizer.json", "vocab.txt"))


def tokenizer_source(config, names):
    """Chooses the tokenizer of a run's student.

    Args:
        config: a `RunConfig`.
        names: list of the folders or hub names that the teachers are loaded from.

    Returns:
        Folder or hub name: `tokenizer`; or `student`, or the first teacher, if it is a hub name or
        a folder that holds a tokenizer; or "" for the bundled one.
    """
    if config.tokenizer:
        return config.tokenizer
    named = [model_source(config.student)] * bool(config.student) + names[:1]
    return next((name for name in named if _may_hold_tokenizer(name)), "")


class Tokenizers(NamedTuple):
    """The tokenizers of a run: one object, unless teacher and student read the text differently.

    Args:
        student: tokenizer of the student, its files and the run's data.
        teacher: tokenizer of the teacher.
    """

    student: TextTokenizer
    teacher: TextTokenizer


def tokenizer_of(task, source):
    """Loads the tokenizer of a model.

    Args:
        task: the `Task`; one with labels reads any vocabulary, masked LM BERT's.
        source: a directory, a hub name, or "" for the bundled one.

    Returns:
        A `TextTokenizer`; for masked LM, a `Tokenizer`.

    Raises:
        UserError: it cannot be read.
    """
    if not task.kind:
        return load_tokenizer(source)
    return load_text_tokenizer(source, words=task.kind == "tags")


def load_tokenizers(config, task, names, data):
    """Loads the tokenizers of a run.

    Models of a task with labels read the same raw text, so that a student with a vocabulary of its
    own learns from a teacher with another.

    Args:
        config: a `RunConfig`.
        task: the `Task`.
        names: list of the folders or hub names that the teachers are loaded from.
        data: what `Task.open_data` returned.

    Returns:
        `Tokenizers`.

    Raises:
        UserError: one of them cannot be read.
    """
    source = tokenizer_source(config, names)
    student = tokenizer_of(task, source)
    alone = names[:1] == [source] and len(names) == 1
    if has_own_words(config):
        texts = [text for example in data.splits["train"] for text in texts_of(example)]
        student, alone = cut_tokenizer(student, texts, config.vocabulary_size), False
    if not (task.kind and names and not alone and _may_hold_tokenizer(names[0])):
        return Tokenizers(student, student)
    teacher = tokenizer_of(task, names[0])
    for name in filter(_may_hold_tokenizer, names[1:]):
        if tokenizer_of(task, name).text_hash != teacher.text_hash:
            raise UserError(
                f"`teacher`={name} has another tokenizer than {names[0]}: several teachers must "
                "share one"
            )
    same = teacher.text_hash == student.text_hash
    return Tokenizers(student, student if same else teacher)


def is_cut_from_teacher(config):
    """Whether the student's start is made of the teacher's weights, and so of its vocabulary.

    Args:
        config: a `RunConfig`.
    """
    kind = get_model_type(config.student_type)
    cut = not config.student and config.student_init not in ("random", TEXT)
    return cut and kind.has_layers and not kind.own_words


def has_own_words(config):
    """Whether the student's vocabulary is made of the words of the training texts.

    Args:
        config: a `RunConfig`.
    """
    return not config.student and get_model_type(config.student_type).own_words


def teacher_names(config):
    """Splits `teacher` into folders and hub names: a list, empty without a loaded teacher.

    Args:
        config: a `RunConfig`.
    """
    if os.path.isdir(config.teacher):  # its name may hold a comma
        return [model_source(config.teacher)]
    names = [name.strip() for name in config.teacher.split(",")]
    if config.teacher and not all(names):
        raise UserError(f"`teacher`={config.teacher}: a name is missing before or behind a comma")
    return list(map(model_source, names)) if config.teacher else []


def model_source(name):
    """The folder that holds a model's config.json; a hub name as it is.

    Args:
        name: folder or hub name; folders of sentence-transformers may hold the model in another.
    """
    return str(transformer_folder(Path(name))) if os.path.isdir(name) else name


def teacher_weights(config):
    """Reads `teacher_weights`: a tuple of float, empty for equal weights.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: it is not a list of numbers.
    """
    if not config.teacher_weights:
        return ()
    try:
        return tuple(map(float, config.teacher_weights.split(",")))
    except ValueError:
        raise UserError(
            f"`teacher_weights`={config.teacher_weights}: give numbers separated by commas, one "
            "for each teacher"
        ) from None
