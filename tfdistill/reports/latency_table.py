"""A latency table for the terminal: the errors of its fits, and what the operators cost."""

from tfdistill.reports.table import Column, format_models


def _percent(*keys):
    def write(fit):
        for key in keys:
            fit = fit[key]
        return "–" if fit is None else f"{100 * fit:.1f}"

    return write


COLUMNS = (
    Column("shapes", "unseen", lambda fit: str(fit["error"]["shapes"])),
    Column("median", "% off", _percent("error", "median")),
    Column("worst", "% off", _percent("error", "worst")),
    Column("mean", "%", _percent("error", "mean")),
    Column("fitted", "median %", _percent("error_of_fitted", "median")),
    Column("fitted", "worst %", _percent("error_of_fitted", "worst")),
    Column("passes", "% apart", _percent("apart")),
)
_NOTES = (
    "off: predicted against measured, on shapes that were not fitted, without the sign;",
    "mean: with it, above 0 where predictions are too high; fitted: on the shapes of the fit;",
    "apart: the middle half of a file's passes, which noise alone moves (– of a phone)",
)


def format_table(table):
    """Writes the errors of a latency model.

    Args:
        table: dict (see `deployment.latency_model`).

    Returns:
        list of str.
    """
    rows = {_name(fit): fit for fit in table["fits"]}
    lines = [*format_models(rows, COLUMNS), *_NOTES, "", "mean share of the time, %:"]
    for name, fit in rows.items():
        parts = sorted(fit["shares"].items(), key=lambda part: -part[1])
        lines.append(f"{name}: " + ", ".join(f"{part} {100 * share:.0f}" for part, share in parts))
    return lines


def _name(fit):
    threads = f"{fit['threads']} thread{'s' if fit['threads'] > 1 else ''}"
    return f"{fit['variant']}, {fit['length']} tokens, {threads}"
