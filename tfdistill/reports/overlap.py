"""Notes on held-out data that the models were trained on: they flatter every row of a table."""

from tfdistill.data import repeats
from tfdistill.data.labelled import statistics


def overlap_notes(metrics):
    """Sentences about a run's held-out data that are also its training data.

    Args:
        metrics: dict, the content of a run's metrics.json.

    Returns:
        list of str, empty where nothing overlaps.
    """
    if metrics.get("data"):
        found = statistics.overlaps(metrics["data"])
    else:
        found = repeats.overlaps(metrics.get("run", {}).get("corpus", {}).get("splits", {}))
    return [f"{sentence}." for sentence in found]


def overlap_notes_of_runs(runs):
    """The same of several runs; a note that not all of them have names its folders.

    Args:
        runs: list of runs, see `reports.comparison`.

    Returns:
        list of str.
    """
    folders = {}
    for run in runs:
        for note in overlap_notes(run["metrics"]):
            folders.setdefault(note, []).append(run["folder"])
    return [
        note if len(named) == len(runs) else f"{', '.join(named)}: {note}"
        for note, named in folders.items()
    ]
