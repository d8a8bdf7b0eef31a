"""Claims: whether one kind of run beats another, tested over seeds and written as a sentence."""

import dataclasses
import statistics

from tfdistill.tasks.metrics import MINUS

SIGNIFICANCE = 0.05
ROUNDING = 1e-9  # of a value: smaller differences are none
HELD, REFUTED, OPEN, UNTESTED = "held", "refuted", "open", "not tested"  # states of a claim
NOTE = (
    "±: half of the 95 % interval of the mean difference, by Student's t over the seeds. p: paired "
    "t-test, two-sided, with Holm's correction for all {count} claims of the grid, tested or not. "
    "A seed is a teacher with its students; the students of one teacher count as one, by their "
    "mean. A claim is held or refuted at p < 0.05, and open above."
)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a claim is about, in words.

    Args:
        better: what the claim says is better.
        than: what it is compared with.
        where: the values that both have in common; "" for none.
        metric: name of the metric with its unit, such as "nats of loss".
        digits: decimals that are shown.
        higher_is_better: whether a higher number is a better one.
    """

    better: str
    than: str
    where: str
    metric: str
    digits: int
    higher_is_better: bool


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """A paired t-test over seeds.

    Args:
        gains: tuple of the gains of the first over the second, one for each seed; positive where
            the first is better.
        half_width: half of the 95 % interval of their mean; None where there is no test.
        p: two-sided; None where there is no test.
        reason: why there is no test; "" if there is one.
    """

    gains: tuple
    half_width: float | None = None
    p: float | None = None
    reason: str = ""

    @property
    def gain(self):
        """The mean gain; None without seeds."""
        return statistics.fmean(self.gains) if self.gains else None


def paired_test(first, second, higher_is_better):
    """Compares two groups of runs with the same seeds.

    Args:
        first, second: lists of numbers, one for each seed in the same order.
        higher_is_better: whether a higher number is a better one.

    Returns:
        A `PairedTest`. One seed gives no test, and neither do gains that are all equal, since
        their spread says nothing about other seeds.

    Example:
        paired_test([3.9, 4.0, 4.1], [4.0, 4.2, 4.2], False).gain  # 0.133
    """
    sign = 1 if higher_is_better else -1
    gains = tuple(sign * (a - b) for a, b in zip(first, second, strict=True))
    if len(gains) < 2:
        return PairedTest(gains, reason="one seed is no evidence")
    if max(gains) - min(gains) <= ROUNDING * max(map(abs, (*first, *second))):
        return PairedTest(gains, reason="all seeds have the same difference")
    from scipy.stats import ttest_1samp  # of the differences: the paired t-test

    test = ttest_1samp(gains, 0.0)
    low, high = test.confidence_interval(1 - SIGNIFICANCE)
    return PairedTest(gains, float(high - low) / 2, float(test.pvalue))


def holm(p_values):
    """Corrects p-values for the number of tests.

    Holm (1979), "A simple sequentially rejective multiple test procedure": the k-th smallest of m
    is multiplied by m - k + 1, and is at least as large as the one before it.

    Args:
        p_values: list of numbers; None for a test that was not made, which counts among the m.

    Returns:
        list of the corrected values, at most 1; None where there was none.

    Example:
        holm([0.01, 0.04, 0.03])  # [0.03, 0.06, 0.06]
    """
    corrected, highest = [None] * len(p_values), 0.0
    tested = [number for number, p in enumerate(p_values) if p is not None]
    for rank, number in enumerate(sorted(tested, key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[number]))
        corrected[number] = highest
    return corrected


def state(test, p):
    """What has become of a claim: `HELD`, `REFUTED`, `OPEN` or `UNTESTED`.

    Args:
        test: its `PairedTest`.
        p: its corrected p-value; None where there is no test.
    """
    if p is None:
        return UNTESTED
    if p >= SIGNIFICANCE:
        return OPEN
    return HELD if test.gain > 0 else REFUTED


def sentence(measured, test, p):
    """Writes the result of a claim.

    Args:
        measured: `Measured`.
        test: its `PairedTest`.
        p: its corrected p-value; None where there is no test.

    Returns:
        str, such as "start=search beats start=first by 0.05 ± 0.01 nats of loss, 5 of 5 seeds,
        p = 0.003".
    """
    pair, found = (measured.better, measured.than), state(test, p)
    where = f" ({measured.where})" if measured.where else ""
    if found == UNTESTED:
        return f"{pair[0]} and {pair[1]}{where}: not tested, {test.reason}"
    gain, gains, digits = test.gain, test.gains, measured.digits
    if found == REFUTED:
        pair, gain, gains = pair[::-1], -gain, [-each for each in gains]
    number = f"{gain:.{digits}f}".replace("-", MINUS)
    size = f"{number} ± {test.half_width:.{digits}f} {measured.metric}"
    facts = f"{sum(each > 0 for each in gains)} of {len(gains)} seeds, {p_text(p)}"
    if found == OPEN:
        return (
            f"no clear difference of {pair[0]} and {pair[1]}{where}: the first gains {size}, "
            f"{facts}"
        )
    return f"{pair[0]} beats {pair[1]}{where} by {size}, {facts}"


def p_text(p):
    """Writes a p-value, "p = 0.0031": two digits, or more to show its side of 0.05."""
    if p < 0.0001:
        return "p < 0.0001"
    written = (f"{p:.{digits}g}" for digits in range(2, 18))
    text = next(text for text in written if (float(text) < SIGNIFICANCE) == (p < SIGNIFICANCE))
    return f"p = {text}"
