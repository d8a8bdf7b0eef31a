"""What is told about the data of a command: a corpus, or examples with labels."""

from tfdistill.reports.corpus_files import format_files
from tfdistill.reports.labelled_data import format_examples
from tfdistill.reports.table import format_statistics


def data_lines(task, data):
    """Writes where data come from.

    Args:
        task: the `Task`.
        data: what `Task.open_data` returned.

    Returns:
        Lines, as one str; "" for nothing.
    """
    return "\n".join(data.notes) if task.kind else format_files(data)


def statistics_lines(task, statistics):
    """Writes what the splits of data consist of.

    Args:
        task: the `Task`.
        statistics: that of `PreparedData`.

    Returns:
        Lines, as one str.
    """
    return format_examples(statistics) if task.kind else format_statistics(statistics)
