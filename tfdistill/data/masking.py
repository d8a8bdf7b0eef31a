"""Dynamic masking for masked language modelling, for a whole batch at once, in NumPy."""

import dataclasses

import numpy as np

from tfdistill.data.tokenizer import TokenIds


def smoothed_weights(counts, smoothing):
    """Weights that make rare tokens more frequent targets (Lample & Conneau, 2019, section 3.2).

    Args:
        counts: int (vocab,), how often each id occurs.
        smoothing: exponent s >= 0 of max(count, 1)^-s; 0 weighs all alike.

    Returns:
        float64 (vocab,).
    """
    return np.maximum(counts, 1).astype(np.float64) ** -smoothing


@dataclasses.dataclass(frozen=True, eq=False)
class Masking:
    """Chooses the tokens to predict and hides them (Devlin et al., 2019, section 3.1).

    It is the transform of masked LM: call it with rows and a generator (see `__call__`).

    In each row round(probability * candidates) positions, at least one, are drawn among the
    candidates: all tokens but special ones and [UNK]. With `token_weights` they are drawn one after
    the other without replacement, each with a probability in proportion to its weight. An
    exponential race draws them all at once by the same law (Efraimidis & Spirakis, 2006): every
    candidate gets an exponential time with rate w_i, and the earliest are chosen. Of the chosen, a
    share `random` is replaced by random ordinary tokens, a share `keep` is left as it is, and the
    others become [MASK], each token for itself.

    With `whole_words` the pieces of a word are chosen together, like `do_whole_word_mask` in BERT's
    create_pretraining_data.py and in TinyBERT's pregenerate_training_data.py. Words are drawn
    instead of tokens, with the mean weight of their pieces. A word with more pieces than the row
    has left to choose is skipped; shorter ones after it may fit. If all words of a row are longer
    than the number to choose, the first one drawn is cut to it. Rows whose words all have one piece
    are masked as without `whole_words`.

    Args:
        ids: the tokenizer's `TokenIds`.
        probability: share of the candidates to predict.
        token_weights: None, or positive float (vocab,).
        whole_words: choose the pieces of a word (##…) together. In a row that begins within a word,
            the rest of that word counts as a word.
        keep: share of the chosen tokens that stay.
        random: share of the chosen tokens that random tokens replace.
    """

    ids: TokenIds
    probability: float = 0.15
    token_weights: np.ndarray | None = None
    whole_words: bool = False
    keep: float = 0.1
    random: float = 0.1

    def __call__(self, rows, generator):
        """Masks a batch of rows.

        Args:
            rows: int32 (batch, length), rows of ids that begin with [CLS] and may end with padding.
            generator: a `numpy.random.Generator`; its first draws are batch * length float64.

        Returns:
            A dict of `input_ids` and `attention_mask`, int32 (batch, length); `masked_positions`
            and `masked_labels`, int32 (batch, K); `masked_weights`, float32 (batch, K): 1 for a
            chosen position, 0 where a row has fewer than K.
        """
        positions, valid = self._choose(rows, generator)
        labels = np.take_along_axis(rows, positions, axis=1)
        input_ids = rows.copy()
        shown = self._shown(labels, valid, generator)
        np.put_along_axis(input_ids, positions, shown.astype(rows.dtype), axis=1)
        return {
            "input_ids": input_ids,
            "attention_mask": (rows != self.ids.pad).astype(np.int32),
            "masked_positions": positions.astype(np.int32),
            "masked_labels": labels,
            "masked_weights": valid.astype(np.float32),
        }

    def masked_per_row(self, length):
        """The largest number of positions that are chosen in a row of `length` tokens."""
        return max(1, round(self.probability * (length - 2)))

    def _choose(self, rows, generator):
        """Draws positions, int64 (batch, K), and whether each counts, bool (batch, K)."""
        most = self.masked_per_row(rows.shape[1])
        candidates = self.ids.predictable.take(rows)  # (batch, length)
        times = generator.random(rows.shape)
        rates = None if self.token_weights is None else self.token_weights.take(rows)
        if self.whole_words:
            words = _find_words(rows, candidates, self.ids.continues, rates)
        if rates is not None:
            times = -np.log(1 - times) / rates
        available = np.count_nonzero(candidates, axis=1)
        chosen = np.minimum(np.maximum(np.rint(self.probability * available), 1), available)
        if self.whole_words:
            positions, chosen = _draw_words(words, times, chosen.astype(np.int64), most)
        else:
            times[~candidates] = np.inf
            positions = times.argsort(axis=1)[:, :most]  # (batch, K)
        valid = np.arange(most) < chosen[:, None]  # (batch, K)
        return np.where(valid, positions, 0), valid  # the others point at [CLS], which stays

    def _shown(self, labels, valid, generator):
        """Ids that the model reads at the chosen positions: (batch, K)."""
        fate = generator.random(labels.shape)
        ordinary = self.ids.ordinary
        strangers = ordinary[generator.integers(len(ordinary), size=labels.shape)]
        shown = np.where(fate < self.random, strangers, self.ids.mask)
        return np.where((fate >= 1 - self.keep) | ~valid, labels, shown)


def training_masking(rows, *, probability=0.15, smoothing=0.0, whole_words=False):
    """The transform of training batches: 80 % [MASK], 10 % random tokens, 10 % unchanged.

    Args:
        rows: `Rows` of the training split, whose token counts `smoothing` reads.
        probability: share of the tokens to predict.
        smoothing: tokens are drawn with weight count^-smoothing; 0: all alike.
        whole_words: whether the pieces of a word are masked together.

    Returns:
        `Masking`.
    """
    weights = smoothed_weights(rows.counts, smoothing) if smoothing else None
    return Masking(rows.ids, probability, weights, whole_words)


def evaluation_masking(rows, *, probability=0.15):
    """The transform of evaluation batches: every chosen token is shown as [MASK].

    Args:
        rows: `Rows` of a held-out split.
        probability: share of the tokens to predict.

    Returns:
        `Masking`.
    """
    return Masking(rows.ids, probability, keep=0.0, random=0.0)


class PackedWords:
    """Encoding of the words of rows in int64, so that a plain sort draws them.

    From the lowest bit up, an integer holds

        size: the number of pieces of the word; 0 where no word begins
        place: the index of its first piece in the row
        time: the upper bits of the float64 at which the word is drawn
        sign: 1 for words, so that they sort before the places where no word begins

    Size and place have `length.bit_length()` bits each. As integers, the bits of positive floats
    have the order of the floats, so sorting the integers sorts the words by time, in less than half
    the time of an argsort.

    Args:
        length: tokens in a row.
    """

    def __init__(self, length):
        self._length, self._bits = length, length.bit_length()
        self._low = (1 << self._bits) - 1

    def one_piece(self):
        """Words of one piece at every place, without times: int64 (length,)."""
        return np.iinfo(np.int64).min | np.arange(self._length) << self._bits | 1

    def with_times(self, words, times):
        """Adds times, float64 >= 0 of the same shape, to words."""
        upper = np.iinfo(np.int64).max ^ (self._low << self._bits | self._low)
        return times.view(np.int64) & upper | words

    def sizes(self, words):
        """Number of pieces of each word."""
        return words & self._low

    def places(self, words):
        """Index of the first piece of each word."""
        return words >> self._bits & self._low


def _find_words(rows, candidates, continues, rates):
    """Finds the words of rows: a candidate and those right behind it that continue a word.

    Args:
        rows: int32 (batch, length).
        candidates: bool (batch, length).
        continues: bool (vocab,).
        rates: None, or float64 (batch, length), of the pieces; where a word begins, it is replaced
            by the mean of the word's.

    Returns:
        int64 (batch, length), `PackedWords` without times where a word begins; elsewhere 0.
    """
    inside = continues.take(rows)  # a piece with one of the same word before it
    inside[:, 1:] &= candidates[:, :-1]
    goes_on = np.zeros_like(inside)  # a piece with one behind it
    goes_on[:, :-1] = inside[:, 1:]
    words = (candidates > inside) * PackedWords(rows.shape[1]).one_piece()
    # Words of several pieces are few: they are found by the begin and end of their pieces.
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
        times: float64 (batch, length), not negative; only times where a word begins count.
        budget: int64 (batch,), the most tokens to choose in a row.
        most: K, which no budget exceeds.

    Returns:
        `positions`, int64 (batch, K), of the chosen tokens, and `chosen`, int64 (batch,), their
        number in each row.
    """
    batch, length = words.shape
    packed = PackedWords(length)
    drawn = packed.with_times(words, times)
    drawn.sort(axis=1)

    # The words before the first that does not fit, never more than K, fill most rows.
    places, taken = packed.places(drawn[:, :most]), packed.sizes(drawn[:, :most])
    taken *= taken.cumsum(axis=1) <= budget[:, None]
    _fill_up(drawn, packed, budget, places, taken)
    none = ~taken.any(axis=1)
    taken[none, 0] = budget[none]

    chosen = taken.sum(axis=1)
    places, taken = places.ravel(), taken.ravel()
    tokens = np.repeat(places - taken.cumsum() + taken, taken)
    positions = np.zeros((batch, most), np.int64)
    positions[np.arange(most) < chosen[:, None]] = tokens + np.arange(len(tokens))
    return positions, chosen


def _fill_up(drawn, packed, budget, places, taken):
    """Goes on behind the first word that did not fit, in the rows that are not full.

    Args:
        drawn: int64 (batch, length), the words in the order in which they were drawn.
        packed: their `PackedWords`.
        budget: int64 (batch,), the most tokens to choose in a row.
        places, taken: int64 (batch, K), places and sizes of the words chosen so far; the words
            that are chosen here are added.
    """
    left = budget - taken.sum(axis=1)
    rows = np.flatnonzero(left)
    left, count, sizes = (
        left[rows],
        np.count_nonzero(taken[rows], axis=1),
        packed.sizes(drawn[rows]),
    )
    never = sizes.shape[1]  # a size that fits nowhere
    sizes[(sizes == 0) | (np.arange(never) < count[:, None])] = never
    while len(rows):
        # A word that was skipped for its size stays too long.
        column = (sizes <= left[:, None]).argmax(axis=1)
        size = sizes[np.arange(len(rows)), column]
        fits = size <= left
        state = rows, left, count, sizes, column, size
        rows, left, count, sizes, column, size = (array[fits] for array in state)
        places[rows, count], taken[rows, count] = packed.places(drawn[rows, column]), size
        sizes[np.arange(len(rows)), column] = never
        left, count = left - size, count + 1
