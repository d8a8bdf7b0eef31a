"""Dynamic masking for masked language modelling, for a whole batch at once, in NumPy."""

import numpy as np


def masked_per_row(length, probability):
    """Returns K, the most positions that `mask_rows` chooses in a row of `length` tokens."""
    return max(1, round(probability * (length - 2)))


def smoothed_weights(counts, smoothing):
    """Weights that make rare tokens more frequent targets (Lample & Conneau, 2019, section 3.2).

    Args:
        counts: int (vocab,), how often each id occurs.
        smoothing: exponent s >= 0 of max(count, 1)^-s; 0 weighs all alike.

    Returns:
        float64 (vocab,).
    """
    return np.maximum(counts, 1).astype(np.float64) ** -smoothing


def mask_rows(rows, generator, *, probability, ids, token_weights=None, keep=0.1, random=0.1):
    """Chooses the tokens to predict and hides them (Devlin et al., 2019, section 3.1).

    In each row round(probability * candidates) positions, at least one, are drawn among the
    candidates: neither special tokens nor [UNK]. With `token_weights` they are drawn one after the
    other without replacement, each with a chance in proportion to its weight; an exponential race
    gives the same law at once (Efraimidis & Spirakis, 2006): the first to ring of alarms with
    rates w_i. Of the chosen, a share `random` is replaced by a random ordinary token, a share
    `keep` is left as it is, and the others become [MASK].

    Args:
        rows: int32 (batch, length), rows of ids that begin with [CLS] and may end with padding.
        generator: a `numpy.random.Generator`; batch * length float64 are its first draws.
        probability: share of the candidates to predict.
        ids: the tokenizer's `TokenIds`.
        token_weights: None, or positive float (vocab,).
        keep: share of the chosen that stays.
        random: share of the chosen that is replaced by random tokens.

    Returns:
        A dict of `input_ids` and `attention_mask`, int32 (batch, length); `masked_positions` and
        `masked_labels`, int32 (batch, K); `masked_weights`, float32 (batch, K): 1 for a position
        that was chosen, 0 where a row has fewer than K.
    """
    batch, length = rows.shape
    most = masked_per_row(length, probability)
    candidates = ids.predictable.take(rows)  # (batch, length)
    times = generator.random((batch, length))
    if token_weights is not None:
        times = -np.log(1 - times) / token_weights[rows]
    times[~candidates] = np.inf
    positions = times.argsort(axis=1)[:, :most]  # (batch, K)

    available = np.count_nonzero(candidates, axis=1)
    chosen = np.minimum(np.maximum(np.rint(probability * available), 1), available)
    valid = np.arange(most) < chosen[:, None]  # (batch, K)
    positions = np.where(valid, positions, 0)  # the others point at [CLS], which stays
    labels = np.take_along_axis(rows, positions, axis=1)

    fate = generator.random((batch, most))
    strangers = ids.ordinary[generator.integers(len(ids.ordinary), size=(batch, most))]
    shown = np.where(fate < random, strangers, ids.mask)
    shown = np.where((fate >= 1 - keep) | ~valid, labels, shown)
    input_ids = rows.copy()
    np.put_along_axis(input_ids, positions, shown.astype(rows.dtype), axis=1)
    return {
        "input_ids": input_ids,
        "attention_mask": (rows != ids.pad).astype(np.int32),
        "masked_positions": positions.astype(np.int32),
        "masked_labels": labels,
        "masked_weights": valid.astype(np.float32),
    }
