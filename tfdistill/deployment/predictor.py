"""Predicts for texts, with a Hugging Face directory or with a TFLite file."""

from pathlib import Path

import numpy as np

from tfdistill.data.tokenizer import load_mask_tokenizer, load_tokenizer
from tfdistill.deployment import weight_cache
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.system.errors import UserError

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")


class Predictor:
    """A model with its tokenizer and its task; make one with `Predictor.open`.

    Args:
        run: function of a dict of inputs, int32 arrays of one row, to their logits, float32,
            without the batch's axis.
        tokenizer: a `Tokenizer`.
        task: the model's `Task`.
        length: most tokens in a text, [CLS] and [SEP] included.
        padded: whether `run` needs all `length` tokens, with padding, and one column of further
            inputs; else it takes any number of both.

    Attributes:
        tokenizer: the `Tokenizer`.
        length: as above.
        notes: tuple of str, warnings about the tokenizer's files.
    """

    def __init__(self, run, tokenizer, task, length, padded):
        self._run, self._task, self._padded = run, task, padded
        self.tokenizer, self.length, self.notes = tokenizer, length, tokenizer.notes

    @classmethod
    def open(cls, path_or_hub_name, task, tokenizer=None):
        """Opens a model.

        Args:
            path_or_hub_name: Hugging Face directory or hub name, or a .tflite file.
            task: the model's `Task`.
            tokenizer: directory or hub name of the tokenizer; None: the model's own. That of a
                .tflite file is looked for beside it, then in `../student`.

        Returns:
            A `Predictor`.

        Raises:
            UserError: there is no such model, it has no head for the task, no tokenizer was found,
                or the tokenizer does not fit the model.
        """
        if str(path_or_hub_name).endswith(".tflite"):
            return cls._open_tflite(Path(path_or_hub_name), task, tokenizer)
        return cls._open_keras(str(path_or_hub_name), task, tokenizer)

    @classmethod
    def _open_tflite(cls, path, task, tokenizer):
        model = LiteModel(path, weights=weight_cache.usual_folder())
        if missing := task.words.inputs.keys() - model.input_names:
            raise UserError(
                f"{path} has no input {', '.join(sorted(missing))}: it was exported for another "
                f"task than {task.name}"
            )
        tokenizer = load_tokenizer(tokenizer or tokenizer_beside(path))
        model.require_tokenizer(tokenizer)
        return cls(model.logits, tokenizer, task, model.length, padded=True)

    @classmethod
    def _open_keras(cls, name, task, tokenizer):
        from tfdistill.models.configs.model_types import get_model_type
        from tfdistill.models.hugging_face.checkpoint import resolve_directory

        directory = resolve_directory(name)
        model = task.load(directory)
        if model.head is None:
            raise UserError(f"`model`={name} has no head for the task {task.name}: use another")
        reads_text = get_model_type(model.config.model_type).learns_text
        load = load_tokenizer if reads_text else load_mask_tokenizer
        return cls.of_model(model, load(tokenizer or str(directory)), task)

    @classmethod
    def of_model(cls, model, tokenizer, task):
        """Wraps a model that is in memory.

        Args:
            model: a `Model` with a head.
            tokenizer: a `Tokenizer`.
            task: the model's `Task`.

        Returns:
            A `Predictor`.

        Raises:
            UserError: the tokenizer's vocabulary is another.
        """
        tokenizer.require_table(model.config.vocab_size, "the model")

        def run(inputs):
            batch = {name: np.asarray(row, np.int32)[None] for name, row in inputs.items()}
            return np.asarray(model(batch, taps=())["logits"])[0]

        return cls(run, tokenizer, task, model.config.max_length, padded=False)

    def predict(self, text, **options):
        """Predicts for a text: arguments and result as `predict` of the task.

        Raises:
            UserError: the text does not fit.

        Example:
            from tfdistill import tasks
            from tfdistill.deployment.predictor import Predictor

            predictor = Predictor.open("runs/mini/student", tasks.get("masked_lm"))
            predictor.predict("The whale [MASK] the ship.", top_k=3)
        """
        return self._task.predict(self, text, **options)

    def encode(self, text):
        """Tokenizes a text for the model.

        Args:
            text: str.

        Returns:
            (inputs, ids): dict of `input_ids` and `attention_mask`, int32 (length,), and the ids of
            the text without padding, with [CLS] and [SEP].

        Raises:
            UserError: the text has more tokens than the model takes.
        """
        # With room for one more token than fits, a text that is too long can be recognised.
        input_ids, attention_mask = self.tokenizer.encode(text, self.length + 1)
        tokens = int(attention_mask.sum())
        if tokens > self.length:
            raise UserError(
                f"the text has more than {self.length - 2} tokens, the model's limit: shorten it"
            )
        end = self.length if self._padded else tokens
        inputs = {"input_ids": input_ids[:end], "attention_mask": attention_mask[:end]}
        return inputs, input_ids[:tokens]

    def logits(self, inputs):
        """Runs the model on one row of inputs: float32, without the batch's axis.

        Args:
            inputs: of `encode`, perhaps with further inputs of the head.
        """
        return self._run(inputs)

    def logits_at(self, inputs, name, values):
        """Runs the model for several values of a further input of the head.

        Args:
            inputs: of `encode`.
            name: of the further input, such as "masked_positions".
            values: int (values,).

        Returns:
            float32 (values, outputs).
        """
        if not self._padded:
            return self._run({**inputs, name: values})
        return np.concatenate([self._run({**inputs, name: [value]}) for value in values])


def tokenizer_beside(path):
    """Finds the tokenizer of a .tflite file: in its folder, or in `../student`.

    Args:
        path: `Path` of the file.

    Returns:
        str, the folder.

    Raises:
        UserError: neither folder has one.
    """
    folders = [path.parent, path.parent.parent / "student"]
    for folder in folders:
        if any((folder / name).is_file() for name in TOKENIZER_FILES):
            return str(folder)
    raise UserError(
        f"no {' or '.join(TOKENIZER_FILES)} in {folders[0]} or {folders[1]}: set `tokenizer` to "
        "its folder"
    )
