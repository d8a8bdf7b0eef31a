"""Divides the groups of a large comparison into figures of at most as many curves as colours."""

import math

from tfdistill.reports.table import ABSENT

MOST = 12  # groups in a figure, as many as there are colours
FEW = 4  # so many groups without a value of the flag that divides are drawn in every figure


def curve_parts(groups):
    """Divides groups into figures: by the values of the flag that needs the fewest figures.

    Where each flag would need more than twice the figures that are needed, the order of the groups
    divides them.

    Args:
        groups: list of `comparison.Group`s.

    Returns:
        list of (title, list of groups); one with the title "" if all fit into one figure.

    Example:
        [title for title, _ in curve_parts(groups)]  # ["rate=0", "rate=0.2: 1 of 2", ...]
    """
    if len(groups) <= MOST:
        return [("", groups)]
    found = []  # of (number of figures, minus the number of values, figures)
    for flag in dict.fromkeys(name for group in groups for name in group.flags):
        values = {}
        for group in groups:
            values.setdefault(group.flags.get(flag), []).append(group)
        if len(values) > 1:
            parts = _by_values(flag, values)
            found.append((len(parts), -len(values), parts))
    usable = [each for each in found if each[0] <= 2 * math.ceil(len(groups) / MOST)]
    if not usable:
        return _chunks("", groups, MOST)
    return min(usable, key=lambda each: each[:2])[2]


def _by_values(flag, values):
    """The figures of a flag; `values`: dict of its values, None for no value, to groups."""
    without = values.get(None, [])
    beside = without if len(without) <= FEW else []
    parts = []
    for value, groups in values.items():
        if value is not None:
            chunks = _chunks(f"{flag}={value or ABSENT}", groups, MOST - len(beside))
            parts += [(title, [*chunk, *beside]) for title, chunk in chunks]
    return parts if beside else [*parts, *_chunks(f"without {flag}", without, MOST)]


def _chunks(title, groups, most):
    """Figures of nearly equally many groups, at most `most`, in their order."""
    count = math.ceil(len(groups) / most)
    edges = [number * len(groups) // count for number in range(count + 1)] if count else []
    lead = f"{title}: " if title else ""
    titles = [title] if count == 1 else [f"{lead}{n} of {count}" for n in range(1, count + 1)]
    pairs = zip(edges, edges[1:], strict=False)
    return [(name, groups[a:b]) for name, (a, b) in zip(titles, pairs, strict=False)]
