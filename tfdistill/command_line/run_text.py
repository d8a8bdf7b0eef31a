"""Commands that measure the models of a run: they use the run's own text and row length."""

from pathlib import Path

from tfdistill.command_line.absl_flags import explained
from tfdistill.command_line.early_paths import LITE
from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.settings import options_of
from tfdistill.system.errors import UserError

# Settings that are the run's own unless they or --model are given.
OF_RUN = (
    *("task", "corpus", "data_dir", "text_column", "length", "shards_dir", "nsp"),
    "encoding_errors",
    *("tflite_lengths", "tflite_variants", "allow_loss", "mediapipe"),
    *(*options_of(LabelledDataSettings), "doc_stride", "max_answer_length"),
)


def help_without(settings):
    """Help of a command that measures models.

    Args:
        settings: those without which it takes the setting of the run, such as "`model` and this".

    Returns:
        dict of names of settings to texts.
    """
    return {
        "device": "Device: auto (CUDA, then Metal if the run used it, then the CPU), cpu or gpu.",
        "tokenizer": "WordPiece tokenizer: a directory or hub name; empty: the model's own.",
        "pooling": "What a sentence encoder reads: mean (of all tokens) or cls (the first token); "
        "empty: what a folder of sentence-transformers says, else the mean.",
        **{
            name: f"{options_of(RunConfig)[name].help} Without {settings}: the run's own."
            for name in OF_RUN
        },
    }


HELP = help_without("`model` and this")


def adopt_settings(flag_values):
    """Reads `OF_RUN` from the flags.txt of a run, except for given flags.

    It is the run whose student is --super, or the one in --output_dir.

    Args:
        flag_values: parsed `absl.flags.FlagValues`.

    Raises:
        UserError: the file holds a wrong value.
    """
    from absl import flags

    from tfdistill.run.stored_flags import stored_flags

    if flag_values.super:
        run = Path(flag_values.super).expanduser().absolute().parent
    else:
        run = Path(flag_values.output_dir).expanduser()
    stored = stored_flags(run, options_of(RunConfig))
    for name in OF_RUN:
        if not flag_values[name].present and name in stored:  # older runs lack newer settings
            try:
                flag_values[name].parse(stored[name])
            except flags.Error as error:
                raise UserError(f"{run}/flags.txt: {explained(error)}") from None


def adopt_task(flag_values):
    """Reads `task` from the .tflite file in --model, unless it is given.

    Args:
        flag_values: parsed `absl.flags.FlagValues`.

    Raises:
        UserError: the file is damaged.
    """
    path = Path(flag_values.model).expanduser()
    if flag_values["task"].present or path.suffix != LITE or not path.is_file():
        return
    from tfdistill.deployment.lite_model import LiteModel

    if task := LiteModel(path).metadata.get("task"):  # files of masked LM name none
        flag_values["task"].parse(task)


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
