"""Commands that measure the models of a run: they use the run's own text and row length."""

import os
from pathlib import Path

from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.flagfile import parse_flag_lines
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.settings import options_of
from tfdistill.system.errors import UserError
from tfdistill.system.paths import seen_from

# Settings that are the run's own unless they or --model are given.
OF_RUN = (
    *("task", "corpus", "data_dir", "text_column", "length", "shards_dir", "nsp"),
    *("tflite_lengths", "tflite_variants", "allow_loss", "mediapipe"),
    *(*options_of(LabelledDataSettings), "doc_stride", "max_answer_length"),
)
# Help of the commands that measure models.
HELP = {
    "device": "Device: auto (CUDA, then Metal if the run used it, then the CPU), cpu or gpu.",
    "tokenizer": "WordPiece tokenizer: a directory or hub name; empty: the model's own.",
    "pooling": "What a sentence encoder reads: mean (of all tokens) or cls (the first token); "
    "empty: what a folder of sentence-transformers says, else the mean.",
    **{
        name: f"{options_of(RunConfig)[name].help} Without `model` and this: the run's own."
        for name in OF_RUN
    },
}


def adopt_settings(flag_values):
    """Reads `OF_RUN` from the flags.txt of the run in --output_dir, except for given flags.

    Args:
        flag_values: parsed `absl.flags.FlagValues`.

    Raises:
        UserError: the file holds a wrong value.
    """
    from absl import flags

    from tfdistill.run.directory import RunPaths, stored_folder

    file = RunPaths(Path(flag_values.output_dir).expanduser()).flags
    if not file.is_file():
        return
    stored = parse_flag_lines(file.read_text().splitlines())
    folder = stored_folder(file.parent)
    for name in OF_RUN:
        if not flag_values[name].present and name in stored:  # older runs lack newer settings
            try:
                flag_values[name].parse(as_meant_in(name, stored[name], folder))
            except flags.Error as error:
                raise UserError(f"{file}: {' '.join(str(error).split())}") from None


def adopt_length(flag_values):
    """Reads `length` of a task with labels from the folder in --model, unless it is given.

    Args:
        flag_values: parsed `absl.flags.FlagValues`.
    """
    from tfdistill.run.held_out import length_of

    fits = flag_values.task != RunConfig.task and not flag_values["length"].present
    own = fits and length_of(Path(flag_values.model).expanduser())
    if own:
        flag_values["length"].parse(str(own))


def as_meant_in(name, text, folder):
    """Converts a setting that was given in another folder for use in this one.

    Args:
        name: the setting.
        text: its value as text.
        folder: where it was given; "" if that is unknown.

    Returns:
        str: paths relative to `folder` become absolute.
    """
    from tfdistill.data.corpus import is_named

    option = options_of(RunConfig)[name]
    if not option.path or not os.path.isdir(folder) or os.path.samefile(folder, os.curdir):
        return text
    if name == "shards_dir":  # it may not exist yet
        return os.path.join(folder, text)
    if name == "corpus" and is_named(text):
        return text
    return seen_from(text, folder, option.separator)
