"""Words that a masked LM proposes for hidden ones, kept on disk."""

import hashlib
import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfdistill.data.augmentation.masked_words import masked_batch, words_of
from tfdistill.system.arrays import open_array
from tfdistill.system.kept import kept_folder
from tfdistill.training.evaluation import scorer

FOLDER, ARRAY = "augmentation", "words.npy"  # in `shards_dir`
VERSION = 2  # of the arrays
ROWS = 64  # that the model reads at once
LONGEST = 512  # tokens of a row


class WordProposer:
    """A masked LM that proposes words.

    Args:
        model: a `MaskedLanguageModel` with its head.
        tokenizer: its `Tokenizer`.
        count: words to propose for each hidden one; fewer if the vocabulary has no more.

    Attributes:
        tokenizer: the `Tokenizer`.
        words: list of str, the word of each id that may be proposed.
    """

    def __init__(self, model, tokenizer, count):
        size, (words, proposed) = model.config.vocab_size, words_of(tokenizer)
        allowed = np.zeros(size, bool)
        allowed[: tokenizer.vocab_size] = proposed
        self.tokenizer, self.words = tokenizer, words
        self._excluded = np.where(allowed, 0, -np.inf).astype(np.float32)
        # Tokens of the same word have one number, whatever their capitals and blanks.
        numbers = {}
        alike = [numbers.setdefault(word.lower() or i, i) for i, word in enumerate(words)]
        self._alike = np.arange(size, dtype=np.int32)
        self._alike[: len(words)] = alike
        _, of_word = np.unique(self._alike[allowed], return_counts=True)
        self._count = max(0, min(count, int(allowed.sum() - of_word.max(initial=0))))
        self._longest = min(LONGEST, model.config.max_length)
        self._has_types = model.config.type_vocab_size > 1
        self._score = scorer(model, self._best)
        self._digest = digest_of_weights(model)

    def kept(self, root, texts, words, waiting=None):
        """Reads proposals from disk, or computes and stores them.

        Args:
            root: `shards_dir`.
            texts: list of str, those that the hidden words stand in.
            words: list of all `HiddenWord`s of these texts, in their order.
            waiting: as for `system.kept.kept_folder`.

        Returns:
            As `propose`.

        Raises:
            OSError: they could not be written.
        """
        identity = {
            "version": VERSION,
            "model": self._digest,
            "tokenizer": self.tokenizer.hash,
            "count": self._count,
            "longest": self._longest,
            "texts": hashlib.sha256(json.dumps(texts).encode()).hexdigest(),
        }

        def make(aside):
            np.save(aside / ARRAY, self.propose(words), allow_pickle=False)

        folder = kept_folder(Path(root) / FOLDER, identity, make, waiting)
        return np.array(open_array(folder / ARRAY))

    def propose(self, words):
        """Proposes words: the likeliest whole words of letters, without the hidden word itself.

        Args:
            words: list of `HiddenWord`s.

        Returns:
            int32 (words, count), the ids of the tokens, the likeliest first.
        """
        found = np.empty((len(words), self._count), np.int32)
        order = sorted(range(len(words)), key=lambda number: len(words[number].tokens))
        for start in range(0, len(order) if self._count else 0, ROWS):
            part = order[start : start + ROWS]
            filled = part + part[-1:] * (ROWS - len(part))  # one graph for all batches of a length
            batch = masked_batch([words[n] for n in filled], self.tokenizer, self._longest)
            if not self._has_types:
                del batch["token_type_ids"]
            found[part] = self._score(batch)["words"].numpy()[: len(part)]
        return found

    def _best(self, logits, batch):
        logits = logits[:, 0] + self._excluded
        own = tf.gather(self._alike, batch["own"]) == self._alike
        return {"words": tf.math.top_k(tf.where(own, -np.inf, logits), self._count).indices}


def digest_of_weights(model):
    """SHA-256 of the config and the weights of a model in memory: a str.

    Args:
        model: a `Model`.
    """
    found = hashlib.sha256(repr(model.config).encode())
    for variable in model.weights:
        found.update(f"{variable.path} {tuple(variable.shape)}".encode())
        found.update(np.ascontiguousarray(variable.numpy()))
    return found.hexdigest()
