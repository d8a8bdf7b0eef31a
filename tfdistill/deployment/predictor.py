"""Fills [MASK] in text, from a Hugging Face directory or from a TFLite file."""

from pathlib import Path

import numpy as np

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.tflite import LiteModel
from tfdistill.system.errors import UserError

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")


class Predictor:
    """A masked language model with its tokenizer; make one with `Predictor.open`.

    Args:
        predict: from (input_ids, attention_mask), int32 (length,), and positions, int (masked,),
            to logits, float32 (masked, vocab).
        tokenizer: a `Tokenizer`.
        length: most tokens in a text, [CLS] and [SEP] included.
        padded: whether `predict` needs all `length` tokens, padding included.
    """

    def __init__(self, predict, tokenizer, length, padded):
        self._predict, self._tokenizer = predict, tokenizer
        self.notes = tokenizer.notes  # what was taken where the tokenizer's files disagree
        self._length, self._padded = length, padded

    @classmethod
    def open(cls, path_or_hub_name, tokenizer=None):
        """Opens a model.

        Args:
            path_or_hub_name: Hugging Face directory or hub name, or a .tflite file.
            tokenizer: directory or hub name of the tokenizer; None: the model's own. That of a
                .tflite file is looked for beside it, then in `../student`.

        Returns:
            A `Predictor`.

        Raises:
            UserError: there is no such model, it has no masked-LM head, no tokenizer was found,
                or the tokenizer's vocabulary is another.
        """
        if str(path_or_hub_name).endswith(".tflite"):
            return cls._open_tflite(Path(path_or_hub_name), tokenizer)
        return cls._open_keras(str(path_or_hub_name), tokenizer)

    @classmethod
    def _open_tflite(cls, path, tokenizer):
        model = LiteModel(path)
        tokenizer = load_tokenizer(tokenizer or _tokenizer_beside(path))
        tokenizer.require_table(model.vocab_size, path)

        def predict(input_ids, attention_mask, positions):
            rows = [model.logits(input_ids, attention_mask, position) for position in positions]
            return np.stack(rows)  # (masked, vocab)

        return cls(predict, tokenizer, model.length, padded=True)

    @classmethod
    def _open_keras(cls, name, tokenizer):
        from tfdistill.models.hugging_face.checkpoint import load_model, resolve_directory

        directory = resolve_directory(name)
        model = load_model(directory)
        if model.head is None:
            raise UserError(f"--model={name} has no masked-LM head: name a model with one")
        tokenizer = load_tokenizer(tokenizer or str(directory))
        return cls.of_model(model, tokenizer)

    @classmethod
    def of_model(cls, model, tokenizer):
        """Wraps a model that is in memory.

        Args:
            model: a `MaskedLanguageModel` with a head.
            tokenizer: a `Tokenizer`.

        Returns:
            A `Predictor`.

        Raises:
            UserError: the tokenizer's vocabulary is another.
        """
        tokenizer.require_table(model.config.vocab_size, "the model")

        def predict(input_ids, attention_mask, positions):
            arrays = (input_ids, attention_mask, positions)
            names = ("input_ids", "attention_mask", "masked_positions")
            batch = {
                name: np.asarray(array, np.int32)[None]
                for name, array in zip(names, arrays, strict=True)
            }
            return np.asarray(model(batch)["logits"])[0]  # (masked, vocab)

        return cls(predict, tokenizer, model.config.max_position_embeddings, padded=False)

    def fill(self, text, top_k=5):
        """Predicts the words behind the [MASK] tokens of a text, each with the others unseen.

        Args:
            text: str with one or more [MASK].
            top_k: words to return for each.

        Returns:
            For each [MASK], in order, a list of (token, probability), the likeliest first;
            probabilities are those of a softmax over the model's whole table, spare rows too.

        Raises:
            UserError: no [MASK] in the text, or more tokens than the model takes.
        """
        # One token more than fits, so that a text that was cut gives itself away.
        input_ids, attention_mask = self._tokenizer.encode(text, self._length + 1)
        tokens = int(attention_mask.sum())
        if tokens > self._length:
            raise UserError(
                f"the text has more than {self._length - 2} tokens, the model's limit: shorten it"
            )
        positions = np.flatnonzero(input_ids == self._tokenizer.mask_id)
        if not len(positions):
            raise UserError("the text has no [MASK]: write [MASK] for the word to predict")
        kept = self._length if self._padded else tokens
        logits = self._predict(input_ids[:kept], attention_mask[:kept], positions)
        return [self._likeliest(row, top_k) for row in logits]

    def _likeliest(self, logits, top_k):
        logits = logits.astype(np.float64)  # (vocab,)
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        known = self._tokenizer.known
        order = np.argsort(-probabilities[: len(known)], kind="stable")
        order = order[known[order]][:top_k]
        return [(self._tokenizer.id_to_token(i), float(probabilities[i])) for i in order]


def _tokenizer_beside(path):
    folders = [path.parent, path.parent.parent / "student"]
    for folder in folders:
        if any((folder / name).is_file() for name in TOKENIZER_FILES):
            return str(folder)
    raise UserError(
        f"no {' or '.join(TOKENIZER_FILES)} in {folders[0]} or {folders[1]}: name its folder "
        "with --tokenizer"
    )
