"""The few lengths to which examples are padded."""

import numpy as np

MOST = 4  # lengths: the training step is compiled once for each
STEP = 8  # lengths are its multiples
SAVING = 0.1  # share of the computed tokens that one more length must save
UNFILLED = 16  # rows of padding in an epoch, for each length: half a batch of 32


def choose_lengths(tokens, longest):
    """Chooses lengths with the least padding.

    Args:
        tokens: int (examples,), the tokens of each example.
        longest: the largest length that is allowed.

    Returns:
        tuple of at most `MOST` int, ascending; the last holds every example.
    """
    tokens = np.maximum(np.asarray(tokens, np.int64), 1)
    if not len(tokens):
        return (longest,)
    steps = -(-tokens // STEP)
    count = np.bincount(steps)[1:]  # of each multiple of STEP
    candidates = np.minimum(STEP * np.arange(1, len(count) + 1), longest)
    before = np.concatenate([[0], np.cumsum(count)])

    def cost(low, high):
        """Tokens computed if examples of the candidates low to high - 1 have one length."""
        return candidates[high - 1] * (before[high] - before[low] + UNFILLED)

    ends = len(candidates)
    best = {end: (cost(0, end), (end,)) for end in range(1, ends + 1)}
    chosen = best[ends]
    for _ in range(1, min(MOST, ends)):
        best = {
            end: min(
                (best[low][0] + cost(low, end), (*best[low][1], end))
                for low in range(1, end)
                if low in best
            )
            for end in range(2, ends + 1)
            if any(low in best for low in range(1, end))
        }
        if ends not in best or best[ends][0] > (1 - SAVING) * chosen[0]:
            break
        chosen = best[ends]
    return tuple(int(candidates[end - 1]) for end in chosen[1])
