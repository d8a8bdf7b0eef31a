"""Initialization of a fresh model from counts of a text.

The loss of a small masked LM stays at the level of the token frequencies for hundreds of steps,
until its embeddings carry meaning. Factors of the text's co-occurrence matrix carry meaning from
the start (word2vec converges to such factors: Levy & Goldberg, 2014). Attention that starts at the
neighboring positions passes them on. Trained models learn such heads by themselves (Clark et al.,
2019, section 4.1), and initializing products of weights has helped before (Trockman & Kolter,
2023, section 3).
"""

import numpy as np
import tensorflow as tf

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.starts.unigram import set_unigram_bias

WINDOW = 5  # tokens to each side that count as neighbors
SMOOTHING = 0.75  # exponent of the neighbors' counts (Levy, Goldberg & Dagan, 2015, section 3.1)
MOST_TOKENS = 2_000_000  # tokens that are counted; more cost memory and change little
BLOCKS = 50  # contiguous parts, spread over a longer text, that are counted
POSITION_SCALE = 5.0  # peak of the sinusoids, in standard deviations of the word embeddings
# Longest wavelength / shortest. Short waves distinguish neighbors; the usual 10,000 is for long
# texts.
WAVES = 20.0
OVERSAMPLING, ITERATIONS = 32, 4  # of the randomized factorization


def start_from_text(model, ids, counts, special_ids, seed):
    """Initializes embeddings, attention and head of a fresh model from a text.

    - The word embeddings are `cooccurrence_embeddings`, with standard deviation
      `initializer_range`.
    - The position embeddings are larger sinusoids (Vaswani et al., 2017, section 3.5).
    - The attention heads start at the positions 1 before, 1 after, 2 before, 2 after, and so on,
      and each output projection as the inverse of its value projection.
    - The masked-LM head starts as the identity, and its bias at the token frequencies. The logits
      are then a sum of the neighbors' associations.

    In a MobileBERT the trigrams read the neighbors instead; its attention and positions keep
    their fresh weights.

    Args:
        model: a `MaskedLanguageModel` with a head.
        ids: int (tokens,), the text.
        counts: int (vocab,), number of times that each token is a target.
        special_ids: ids of special tokens, which are not counted.
        seed: int.
    """
    config = model.config
    generator = np.random.default_rng([seed, 1])  # 1: not the stream of the fresh weights
    embeddings = model.encoder.embeddings
    columns = embeddings.word_embeddings.shape[1]
    words = cooccurrence_embeddings(ids, config.vocab_size, columns, special_ids, seed)
    found = np.any(words != 0, axis=1)
    if found.any():
        words *= config.initializer_range / np.sqrt(np.mean(words[found] ** 2))
    # Noise, so that equal rows and rows of tokens that do not occur differ.
    words += 0.25 * config.initializer_range * generator.standard_normal(words.shape)
    words[config.pad_token_id] = 0
    embeddings.word_embeddings.assign(words.astype(np.float32))
    context = get_model_type(config.model_type).starts.context
    if context == "trigrams":
        _read_neighbors(embeddings)
    elif context == "attention":
        _attend_to_neighbors(model, generator)
    # Small, where the usual activations are nearly linear; the norm that follows removes the scale.
    model.head.dense.kernel.assign(0.05 * np.eye(config.hidden_size, dtype=np.float32))
    set_unigram_bias(model, counts)


def _read_neighbors(embeddings):
    """Makes trigram embeddings the sum of a token's embedding and half of each neighbor's."""
    kernel = np.asarray(embeddings.transformation.kernel).copy()
    size = embeddings.word_embeddings.shape[1]
    after, own, before = (slice(at * size, (at + 1) * size) for at in range(3))
    for rows, share in ((after, 0.5), (own, 1.0), (before, 0.5)):
        kernel[rows, :size] = share * np.eye(size)
    embeddings.transformation.kernel.assign(kernel)


def _attend_to_neighbors(model, generator):
    """Makes positions sinusoids, and attention start at the neighboring positions."""
    config, width = model.config, model.config.hidden_size
    waves = sinusoids(np.arange(config.max_position_embeddings), width)
    waves *= POSITION_SCALE * config.initializer_range
    model.encoder.embeddings.position_embeddings.assign(waves)
    for block in model.encoder.blocks:
        attention = block.attention
        query = generator.standard_normal((width, config.attention_size)) / np.sqrt(width)
        key = neighbor_keys(query, config.num_attention_heads)
        rotation = np.linalg.qr(generator.standard_normal((width, config.attention_size)))[0]
        for layer, kernel in (
            (attention.query, query),
            (attention.key, key),
            (attention.value, rotation),
            (attention.output_dense, rotation.T),
        ):
            layer.kernel.assign(kernel.astype(np.float32))


def cooccurrence_embeddings(ids, vocab_size, width, special_ids=(), seed=0):
    """Factors of the positive pointwise mutual information of neighboring tokens.

    M_ij = max(0, log(n_ij sum_k n_k^a / (n_i n_j^a))), a = 0.75 (Levy, Goldberg & Dagan, 2015,
    equations 2 and 3), made symmetric by the mean of both logarithms. n_ij counts neighbors at
    distance d with weight (6 - d) / 5. The embeddings are U sqrt(S), with the largest eigenvalues
    S of M and their eigenvectors U.

    Args:
        ids: int (tokens,), the text; see `sample_tokens`.
        vocab_size: number of tokens.
        width: columns of the result.
        special_ids: ids of special tokens, which are not counted.
        seed: int, of the randomized factorization.

    Returns:
        float64 (vocab, width); rows of tokens without neighbors are zero.
    """
    rows, columns, counts = _neighbors(sample_tokens(ids), vocab_size, special_ids)
    totals = np.bincount(rows, counts, vocab_size)
    smoothed = totals**SMOOTHING
    expected = np.sqrt(totals[rows] * smoothed[rows] * totals[columns] * smoothed[columns])
    share = counts * smoothed.sum() / expected
    positive = share > 1
    indices = np.stack([rows[positive], columns[positive]], axis=1)
    values = np.log(share[positive]).astype(np.float32)
    matrix = tf.SparseTensor(indices, values, (vocab_size, vocab_size))
    return _factors(matrix, width, seed) * (totals > 0)[:, None]


def sample_tokens(ids, most=MOST_TOKENS):
    """Selects contiguous parts that are spread over a long text.

    Args:
        ids: int (tokens,).
        most: int, the number of tokens to select; texts up to this length are returned whole.

    Returns:
        int64 (tokens,).
    """
    if len(ids) <= most:
        return np.asarray(ids, np.int64)
    length = most // BLOCKS
    begins = np.linspace(0, len(ids) - length, BLOCKS).astype(np.int64)
    return np.concatenate([ids[begin : begin + length] for begin in begins]).astype(np.int64)


def _neighbors(ids, vocab_size, special_ids):
    """Weighted counts in row order: (token, its neighbor, count), each pair in both directions."""
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
    other = low != high  # the diagonal, tokens beside themselves, has each pair once
    rows, columns = np.concatenate([low, high[other]]), np.concatenate([high, low[other]])
    counts = np.concatenate([np.where(other, counts, 2 * counts), counts[other]])
    order = np.argsort(rows * vocab_size + columns)
    return rows[order], columns[order], counts[order]


def sinusoids(positions, width):
    """sin and cos of p / WAVES^(2i / width) for i < width // 2.

    Args:
        positions: int (positions,), p.
        width: int.

    Returns:
        float32 (positions, width): all sines, then all cosines; a last odd column is zero.
    """
    pairs = width // 2
    angles = np.asarray(positions)[:, None] / WAVES ** (2 * np.arange(pairs) / width)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return np.pad(waves, [(0, 0), (0, width - 2 * pairs)]).astype(np.float32)


def neighbor_keys(query, heads):
    """The key kernel whose heads attend to the positions -1, +1, -2, +2, … from their own.

    Rotating sin and cos of p + d back by d gives those of p, so that key(p + d) = query(p).

    Args:
        query: float (width, attention size), the query kernel; its columns are grouped by head.
        heads: int.

    Returns:
        float (width, attention size), the key kernel.
    """
    width, columns = len(query), query.shape[1] // heads
    pairs = width // 2
    key = query.copy()
    for head in range(heads):
        distance = (1 + head // 2) * (1 if head % 2 else -1)
        sine, cosine = np.split(sinusoids([distance], width)[0, : 2 * pairs, None], 2)
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
