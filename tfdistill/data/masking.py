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


def mask_rows(
    rows,
    generator,
    *,
    probability,
    ids,
    token_weights=None,
    whole_words=False,
    keep=0.1,
    random=0.1,
):
    """Chooses the tokens to predict and hides them (Devlin et al., 2019, section 3.1).

    In each row round(probability * candidates) positions, at least one, are drawn among the
    candidates: neither special tokens nor [UNK]. With `token_weights` they are drawn one after the
    other without replacement, each with a chance in proportion to its weight; an exponential race
    gives the same law at once (Efraimidis & Spirakis, 2006): the first to ring of alarms with
    rates w_i. Of the chosen, a share `random` is replaced by a random ordinary token, a share
    `keep` is left as it is, and the others become [MASK], each token for itself.

    With `whole_words` the pieces of a word are chosen together, as `do_whole_word_mask` has it in
    BERT's create_pretraining_data.py and TinyBERT's pregenerate_training_data.py. Words are drawn
    instead of tokens, a word's weight being the mean of its pieces'. One that would take more than
    the row has left to choose is skipped; shorter ones after it may fit. If all words of a row are
    longer than what it may choose, the first one drawn is cut to that. Rows whose words are all of
    one piece are masked as without `whole_words`.

    Args:
        rows: int32 (batch, length), rows of ids that begin with [CLS] and may end with padding.
        generator: a `numpy.random.Generator`; batch * length float64 are its first draws.
        probability: share of the candidates to predict.
        ids: the tokenizer's `TokenIds`.
        token_weights: None, or positive float (vocab,).
        whole_words: choose the pieces of a word (##…) together. A row that begins within a word has
            the rest of it for a word.
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
    rates = None if token_weights is None else token_weights.take(rows)
    if whole_words:
        words = _find_words(rows, candidates, ids.continues, rates)
    if rates is not None:
        times = -np.log(1 - times) / rates

    available = np.count_nonzero(candidates, axis=1)
    chosen = np.minimum(np.maximum(np.rint(probability * available), 1), available)
    if whole_words:
        positions, chosen = _draw_words(words, times, chosen.astype(np.int64), most)
    else:
        times[~candidates] = np.inf
        positions = times.argsort(axis=1)[:, :most]  # (batch, K)
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


def _find_words(rows, candidates, continues, rates):
    """Finds the words of rows: a candidate and those right behind it that continue a word.

    Args:
        rows: int32 (batch, length).
        candidates: bool (batch, length).
        continues: bool (vocab,).
        rates: None, or float64 (batch, length), of the pieces; where a word begins, it is replaced
            by the mean of the word's.

    Returns:
        int64 (batch, length). Where a word begins, its size in pieces stands in the lowest
        `length.bit_length()` bits, its place in as many above them, and the highest bit is set;
        elsewhere 0.
    """
    length = rows.shape[1]
    inside = continues.take(rows)  # a piece with one of the same word before it
    inside[:, 1:] &= candidates[:, :-1]
    goes_on = np.zeros_like(inside)  # a piece with one behind it
    goes_on[:, :-1] = inside[:, 1:]
    of_one = np.iinfo(np.int64).min | np.arange(length) << length.bit_length() | 1
    words = (candidates > inside) * of_one
    # Those of more pieces, which are few, are told by where these begin and end.
    begins, ends = np.flatnonzero(inside != goes_on).reshape(-1, 2).T
    more = ends - begins
    words.ravel()[begins] += more
    if rates is not None:
        rest = np.add.reduceat(rates[inside], more.cumsum() - more)
        flat = rates.ravel()
        flat[begins] = (flat[begins] + rest) / (more + 1)
    return words


def _draw_words(words, times, budget, most):
    """Chooses words in the order of their times, each that fits in what its row has left.

    Args:
        words: int64 (batch, length), of `_find_words`.
        times: float64 (batch, length), not negative; those where a word begins count.
        budget: int64 (batch,), the most tokens to choose in a row.
        most: K, which no budget exceeds.

    Returns:
        `positions`, int64 (batch, K), of the chosen tokens, and `chosen`, int64 (batch,), how many
        of them each row has.
    """
    batch, length = words.shape
    bits = length.bit_length()
    low = (1 << bits) - 1
    # As integers, the bits of floats have the floats' order. The word takes the place of the last
    # ones, so that a plain sort will do, in less than half of argsort's time. The highest bit makes
    # an integer negative, so that words come first.
    drawn = times.view(np.int64) & (np.iinfo(np.int64).max ^ (low << bits | low)) | words
    drawn.sort(axis=1)

    # The words before the first that does not fit, never more than K, fill most rows.
    places, taken = drawn[:, :most] >> bits & low, drawn[:, :most] & low
    taken *= taken.cumsum(axis=1) <= budget[:, None]
    _fill_up(drawn, bits, budget, places, taken)
    none = ~taken.any(axis=1)
    taken[none, 0] = budget[none]

    chosen = taken.sum(axis=1)
    places, taken = places.ravel(), taken.ravel()
    tokens = np.repeat(places - taken.cumsum() + taken, taken)
    positions = np.zeros((batch, most), np.int64)
    positions[np.arange(most) < chosen[:, None]] = tokens + np.arange(len(tokens))
    return positions, chosen


def _fill_up(drawn, bits, budget, places, taken):
    """Goes on behind the first word that did not fit, in the rows that are not full.

    Args:
        drawn: int64 (batch, length), the words in the order they were drawn: the size in the lowest
            `bits`, 0 for what is no word, and the place in those above.
        bits: int.
        budget: int64 (batch,), the most tokens to choose in a row.
        places, taken: int64 (batch, K), of the words chosen so far; those found here are added.
    """
    low = (1 << bits) - 1
    left = budget - taken.sum(axis=1)
    rows = np.flatnonzero(left)
    left, count, sizes = left[rows], np.count_nonzero(taken[rows], axis=1), drawn[rows] & low
    never = sizes.shape[1]  # a size that fits nowhere
    sizes[(sizes == 0) | (np.arange(never) < count[:, None])] = never
    while len(rows):
        # Of all that are left: one that was skipped for its size has not become shorter.
        column = (sizes <= left[:, None]).argmax(axis=1)
        size = sizes[np.arange(len(rows)), column]
        fits = size <= left
        state = rows, left, count, sizes, column, size
        rows, left, count, sizes, column, size = (array[fits] for array in state)
        places[rows, count], taken[rows, count] = drawn[rows, column] >> bits & low, size
        sizes[np.arange(len(rows)), column] = never
        left, count = left - size, count + 1
