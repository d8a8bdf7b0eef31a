"""Word embeddings of a small student, from those of a large model or from word vectors."""

import numpy as np

from tfdistill.data.augmentation.word_vectors import load_word_vectors
from tfdistill.starts.components import principal_axes
from tfdistill.system.errors import UserError

# Standard deviation of the numbers of a table: that of GloVe's vectors, so that gates of fresh
# weights see more than noise.
SPREAD = 0.4


def components(rows, width):
    """Rows in their principal components, centred, in columns of falling variance.

    Args:
        rows: float (n, wide), n above 0.
        width: number of components; columns that the rows have no variance for are zeros.

    Returns:
        float32 (n, width).
    """
    centred = np.asarray(rows, np.float64) - np.mean(rows, axis=0, dtype=np.float64)
    axes = principal_axes(centred, width)
    found = np.zeros((len(rows), width), np.float32)
    found[:, : axes.shape[1]] = centred @ axes
    return found


def vectors_of_file(path, tokenizer):
    """The vectors that a file has of the tokens of a vocabulary.

    Args:
        path: as of `load_word_vectors`.
        tokenizer: the `TextTokenizer`.

    Returns:
        dict of tokens to float32 (wide,).

    Raises:
        UserError: the file cannot be read, or has none of them.
    """
    tokens = map(tokenizer.id_to_token, range(tokenizer.vocab_size))
    found = load_word_vectors(path).of(filter(None, tokens))
    if not found:
        raise UserError(
            f"`word_vectors`={path} has no word of the student's vocabulary: name a file for the "
            "language of the texts"
        )
    return found


def word_table(vectors, tokens, width, seed):
    """Makes the table of a vocabulary.

    Args:
        vectors: dict of tokens to vectors, float (wide,).
        tokens: list of str or None, the vocabulary; those without a vector get random numbers of
            the same spread.
        width: columns of the table.
        seed: int.

    Returns:
        float32 (tokens, width), of standard deviation `SPREAD`.
    """
    table = np.random.default_rng(seed).normal(0, SPREAD, (len(tokens), width))
    known = [row for row, token in enumerate(tokens) if token in vectors]
    if known:
        found = components(np.stack([vectors[tokens[row]] for row in known]), width)
        table[known] = found * (SPREAD / max(found.std(), np.finfo(np.float32).tiny))
    return table.astype(np.float32)
