"""A fresh model that begins with what counting a text can tell.

A small masked LM sits for hundreds of steps at the level of the token frequencies, until its
embeddings begin to mean something. Factors of the text's co-occurrences mean something at once
(Levy & Goldberg, 2014: it is what word2vec's converge to), and attention that starts as a mean
over similar places passes them on (Trockman & Kolter, 2023, section 3).
"""

import numpy as np
import tensorflow as tf

from tfdistill.training.unigram import set_unigram_bias

WINDOW = 5  # tokens to each side that count as neighbours
SMOOTHING = 0.75  # of the neighbours' frequencies (Levy, Goldberg & Dagan, 2015, section 3.1)
MOST_TOKENS = 2_000_000  # read for the counts; more take memory and change little
BLOCKS = 50  # stretches, spread over the text, that these are read in
POSITION_SCALE = 5.0  # of the sinusoids' peak, in standard deviations of the word embeddings
OVERSAMPLING, ITERATIONS = 32, 4  # of the randomised factors


def start_from_text(model, ids, counts, special_ids, seed):
    """Gives a fresh model the embeddings, the bias and the attention that a text suggests.

    The word embeddings are `cooccurrence_embeddings`, with the spread of `initializer_range`; the
    position embeddings are sinusoids that outweigh them, so that places are similar to their
    neighbours (Vaswani et al., 2017, section 3.5); the head starts as the identity and its bias
    at the token frequencies, so that the logits are a sum of associations; keys start equal to
    queries, and each output projection as the inverse of its value projection.

    Args:
        model: a `MaskedLanguageModel` with a head.
        ids: int (tokens,), the text.
        counts: int (vocab,), how often each token occurs.
        special_ids: ids that are no text.
        seed: int.
    """
    config = model.config
    generator = np.random.default_rng([seed, 1])  # 1: apart from the fresh weights' draws
    words = cooccurrence_embeddings(ids, config.vocab_size, config.hidden_size, special_ids, seed)
    found = np.any(words != 0, axis=1)
    words *= config.initializer_range / max(np.sqrt(np.mean(words[found] ** 2)), 1e-9)
    # The rest, and equal rows, must differ by something.
    words += 0.25 * config.initializer_range * generator.standard_normal(words.shape)
    words[config.pad_token_id] = 0
    model.decoder_kernel.assign(words.astype(np.float32))
    width = config.hidden_size
    waves = _sinusoids(config.max_position_embeddings, width)
    waves *= POSITION_SCALE * config.initializer_range
    model.encoder.embeddings.position_embeddings.assign(waves)
    for block in model.encoder.blocks:
        attention = block.attention
        similar = generator.standard_normal((width, width)) / np.sqrt(width)
        rotation = np.linalg.qr(generator.standard_normal((width, width)))[0]
        for layer, kernel in (
            (attention.query, similar),
            (attention.key, similar),
            (attention.value, rotation),
            (attention.output_dense, rotation.T),
        ):
            layer.kernel.assign(kernel.astype(np.float32))
    # Small, where the usual activations are nearly linear; the norm behind it takes the scale out.
    model.head.dense.kernel.assign(0.05 * np.eye(width, dtype=np.float32))
    set_unigram_bias(model, counts)


def cooccurrence_embeddings(ids, vocab_size, width, special_ids=(), seed=0):
    """Factors of the positive pointwise mutual information of tokens that stand close together.

    M_ij = max(0, log(n_ij sum_k n_k^a / (n_i n_j^a))), a = 0.75 (Levy, Goldberg & Dagan, 2015,
    equations 2 and 3), made symmetric by the mean of both logarithms; n_ij counts neighbours at
    distance d with weight (6 - d) / 5. The embeddings are U sqrt(S) of M's largest eigenvalues S.

    Args:
        ids: int (tokens,); of a long text, `MOST_TOKENS` are read.
        vocab_size: number of tokens.
        width: columns of the result.
        special_ids: ids that are nobody's neighbours.
        seed: int, of the randomised algorithm.

    Returns:
        float64 (vocab, width); rows of tokens without neighbours are zero.
    """
    rows, columns, counts = _neighbours(_sample(ids), vocab_size, special_ids)
    totals = np.bincount(rows, counts, vocab_size)
    smoothed = totals**SMOOTHING
    expected = np.sqrt(totals[rows] * smoothed[rows] * totals[columns] * smoothed[columns])
    share = counts * smoothed.sum() / expected
    positive = share > 1
    indices = np.stack([rows[positive], columns[positive]], axis=1)
    values = np.log(share[positive]).astype(np.float32)
    matrix = tf.SparseTensor(indices, values, (vocab_size, vocab_size))
    return _factors(matrix, width, seed) * (totals > 0)[:, None]


def _sample(ids):
    """At most `MOST_TOKENS` of the ids, in stretches from all over the text."""
    if len(ids) <= MOST_TOKENS:
        return np.asarray(ids, np.int64)
    length = MOST_TOKENS // BLOCKS
    begins = np.linspace(0, len(ids) - length, BLOCKS).astype(np.int64)
    return np.concatenate([ids[begin : begin + length] for begin in begins]).astype(np.int64)


def _neighbours(ids, vocab_size, special_ids):
    """Weighted counts in row order: (token, its neighbour, count), each pair both ways."""
    text = ~np.isin(ids, special_ids)
    keys, weights = [np.empty(0, np.int64)], [np.empty(0)]
    for distance in range(1, min(WINDOW, len(ids) - 1) + 1):
        both = text[:-distance] & text[distance:]
        left, right = ids[:-distance][both], ids[distance:][both]
        keys.append(np.minimum(left, right) * vocab_size + np.maximum(left, right))
        weights.append(np.full(len(left), (WINDOW + 1 - distance) / WINDOW))
    keys, places = np.unique(np.concatenate(keys), return_inverse=True)
    counts = np.bincount(places, np.concatenate(weights), len(keys))
    low, high = np.divmod(keys, vocab_size)
    other = low != high  # a token beside itself is on the diagonal, once
    rows, columns = np.concatenate([low, high[other]]), np.concatenate([high, low[other]])
    counts = np.concatenate([np.where(other, counts, 2 * counts), counts[other]])
    order = np.argsort(rows * vocab_size + columns)
    return rows[order], columns[order], counts[order]


def _sinusoids(positions, width):
    """sin and cos of p / 10000^(2i / width): float32 (positions, width)."""
    angles = np.arange(positions)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return waves[:, :width].astype(np.float32)


def _factors(matrix, width, seed):
    """U sqrt(S) of a sparse symmetric matrix (Halko, Martinsson & Tropp, 2011, algorithm 4.4)."""
    generator = np.random.default_rng([seed, 2])
    size = matrix.shape[0]
    basis = generator.standard_normal((size, min(width + OVERSAMPLING, size))).astype(np.float32)
    for _ in range(ITERATIONS):
        basis = np.linalg.qr(tf.sparse.sparse_dense_matmul(matrix, basis).numpy())[0]
    small = basis.T @ tf.sparse.sparse_dense_matmul(matrix, basis).numpy()
    values, vectors = np.linalg.eigh((small + small.T) / 2)
    largest = np.argsort(-values)[:width]
    factors = basis @ (vectors[:, largest] * np.sqrt(np.maximum(values[largest], 0)))
    return np.pad(factors.astype(np.float64), [(0, 0), (0, width - factors.shape[1])])
