"""A fresh model that begins with what counting a text can tell.

A small masked LM sits for hundreds of steps at the level of the token frequencies, until its
embeddings begin to mean something. Factors of the text's co-occurrences mean something at once
(Levy & Goldberg, 2014: it is what word2vec's converge to), and attention that starts by looking
at the places next to it passes them on: what trained models come to by themselves (Clark et al.,
2019, section 4.1), and what starting from products of weights is good for (Trockman & Kolter,
2023, section 3).
"""

import numpy as np
import tensorflow as tf

from tfdistill.models.mobilebert import TrigramEmbeddings
from tfdistill.training.unigram import set_unigram_bias

WINDOW = 5  # tokens to each side that count as neighbours
SMOOTHING = 0.75  # of the neighbours' frequencies (Levy, Goldberg & Dagan, 2015, section 3.1)
MOST_TOKENS = 2_000_000  # read for the counts; more take memory and change little
BLOCKS = 50  # stretches, spread over the text, that these are read in
POSITION_SCALE = 5.0  # of the sinusoids' peak, in standard deviations of the word embeddings
# Longest wave / shortest. Short ones tell neighbours apart; the usual 10,000 is for long texts.
WAVES = 20.0
OVERSAMPLING, ITERATIONS = 32, 4  # of the randomised factors


def start_from_text(model, ids, counts, special_ids, seed):
    """Gives a fresh model the embeddings, the bias and the attention that a text suggests.

    The word embeddings are `cooccurrence_embeddings`, with the spread of `initializer_range`; the
    position embeddings are sinusoids that outweigh them (Vaswani et al., 2017, section 3.5), and
    the heads start by looking at the places 1 before, 1 after, 2 before, 2 after, and so on; each
    output projection starts as the inverse of its value projection; the head of the model starts
    as the identity and its bias at the token frequencies, so that the logits are a sum of the
    neighbours' associations. Of a MobileBERT the trigrams look at the neighbours, and attention
    and positions start as they are.

    Args:
        model: a `MaskedLanguageModel` with a head.
        ids: int (tokens,), the text.
        counts: int (vocab,), how often each token is a target.
        special_ids: ids that are no text.
        seed: int.
    """
    config = model.config
    generator = np.random.default_rng([seed, 1])  # 1: apart from the fresh weights' draws
    embeddings = model.encoder.embeddings
    columns = embeddings.word_embeddings.shape[1]
    words = cooccurrence_embeddings(ids, config.vocab_size, columns, special_ids, seed)
    found = np.any(words != 0, axis=1)
    if found.any():
        words *= config.initializer_range / np.sqrt(np.mean(words[found] ** 2))
    # The rest, and equal rows, must differ by something.
    words += 0.25 * config.initializer_range * generator.standard_normal(words.shape)
    words[config.pad_token_id] = 0
    embeddings.word_embeddings.assign(words.astype(np.float32))
    if isinstance(embeddings, TrigramEmbeddings):
        _look_at_neighbours(embeddings)
    else:
        _attend_to_neighbours(model, generator)
    # Small, where the usual activations are nearly linear; the norm behind it takes the scale out.
    model.head.dense.kernel.assign(0.05 * np.eye(config.hidden_size, dtype=np.float32))
    set_unigram_bias(model, counts)


def _look_at_neighbours(embeddings):
    """Makes the transformation hand on a token's embedding, and half of those beside it."""
    kernel = np.asarray(embeddings.transformation.kernel).copy()
    size = embeddings.word_embeddings.shape[1]
    after, own, before = (slice(at * size, (at + 1) * size) for at in range(3))
    for rows, share in ((after, 0.5), (own, 1.0), (before, 0.5)):
        kernel[rows, :size] = share * np.eye(size)
    embeddings.transformation.kernel.assign(kernel)


def _attend_to_neighbours(model, generator):
    """Positions by sinusoids, and attention that starts at the places beside its own."""
    config, width = model.config, model.config.hidden_size
    waves = _sinusoids(np.arange(config.max_position_embeddings), width)
    waves *= POSITION_SCALE * config.initializer_range
    model.encoder.embeddings.position_embeddings.assign(waves)
    for block in model.encoder.blocks:
        attention = block.attention
        query = generator.standard_normal((width, width)) / np.sqrt(width)
        key = _keys_of_neighbours(query, config.num_attention_heads)
        rotation = np.linalg.qr(generator.standard_normal((width, width)))[0]
        for layer, kernel in (
            (attention.query, query),
            (attention.key, key),
            (attention.value, rotation),
            (attention.output_dense, rotation.T),
        ):
            layer.kernel.assign(kernel.astype(np.float32))


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


def _sinusoids(places, width):
    """sin, then cos, of p / WAVES^(2i / width), i < width // 2: float32 (places, width)."""
    pairs = width // 2
    angles = np.asarray(places)[:, None] / WAVES ** (2 * np.arange(pairs) / width)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return np.pad(waves, [(0, 0), (0, width - 2 * pairs)]).astype(np.float32)


def _keys_of_neighbours(query, heads):
    """The key kernel with which head h finds most alike the place -1, +1, -2, +2, ... from its own.

    sin and cos of p + d, turned back by d, are those of p, so that key(p + d) = query(p).

    Args:
        query: float (width, width), the query kernel; its columns are the heads', in order.
        heads: int.

    Returns:
        float (width, width).
    """
    width = len(query)
    pairs, columns = width // 2, width // heads
    key = query.copy()
    for head in range(heads):
        distance = (1 + head // 2) * (1 if head % 2 else -1)
        sine, cosine = np.split(_sinusoids([distance], width)[0, : 2 * pairs, None], 2)
        own = slice(head * columns, (head + 1) * columns)
        upper, lower = query[:pairs, own], query[pairs : 2 * pairs, own]
        key[:pairs, own] = cosine * upper + sine * lower
        key[pairs : 2 * pairs, own] = cosine * lower - sine * upper
    return key


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
