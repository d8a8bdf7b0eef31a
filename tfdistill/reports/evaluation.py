"""Tables of the evaluate and export commands, as text for the terminal."""

import textwrap

from tfdistill.reports import table


def format_evaluation(task, result, sources):
    """Writes the metrics of models.

    Args:
        task: the models' `Task`.
        result: dict with "task", "corpus", "split", "models", "differences", and "verdict" for a
            run, as in metrics.json.
        sources: dict of keys of models to directories or hub names.

    Returns:
        Lines of text.
    """
    lines = [f"{key:<16}{source}" for key, source in sources.items()]
    if "verdict" in result:
        return "\n".join([*lines, "", table.format_table(result)])
    lines.append(f"corpus          {result['corpus']}, {result['split']} split\n")
    lines += table.format_models(result["models"], table.columns(task))
    differences = table.difference_columns(task)
    lines += ["", *table.format_models(table.difference_rows(result), differences), ""]
    for note in table.notes(result):
        lines += textwrap.wrap(note, table.WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def format_exported_files(files):
    """Writes size, latency and parity of exported files.

    Args:
        files: dict of file names to "bytes", "latency_ms", "agreement", "loss_lite", "loss_keras"
            and "positions" (number of predictions).

    Returns:
        Lines of text.
    """
    numbers = f"{'MB':>9}{'ms':>9}{'agreement':>11}{'loss':>9}{'Keras loss':>12}{'compared':>10}"
    lines = [f"{'file':<20}{numbers}"]
    for name, fact in files.items():
        lines.append(
            f"{name:<20}{fact['bytes'] / 1e6:>9.2f}{fact['latency_ms']:>9.2f}"
            f"{fact['agreement']:>11.1%}{fact['loss_lite']:>9.4f}{fact['loss_keras']:>12.4f}"
            f"{fact['positions']:>10,}"
        )
    return "\n".join(lines)
