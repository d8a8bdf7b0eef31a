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
    data = "data" if task.kind else "corpus"
    lines.append(f"{data:<16}{result['corpus']}, {result['split']} split\n")
    lines += table.format_models(result["models"], table.columns(task))
    if differences := table.difference_rows(result):
        lines += ["", *table.format_models(differences, table.difference_columns(task))]
    lines.append("")
    for note in table.notes(result):
        lines += textwrap.wrap(note, table.WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def format_exported_files(task, files):
    """Writes size, latency and parity of exported files.

    Args:
        task: the models' `Task`.
        files: dict of file names to "bytes", "latency_ms", "agreement", "positions" (number of
            predictions), and the metric that files must keep, such as "loss_lite" and "loss_keras".

    Returns:
        Lines of text.
    """
    metric = task.file_metric
    name, unit = metric.name, f" ({metric.unit})" if metric.unit else ""
    numbers = f"{'MB':>9}{'ms':>9}{'agreement':>11}{'model':>9}{'file':>9}{'compared':>10}"
    lines = [f"{'file':<20}{numbers}"]
    for file, fact in files.items():
        pair = (metric.text({metric.key: fact[f"{metric.key}_{of}"]}) for of in ("keras", "lite"))
        lines.append(
            f"{file:<20}{fact['bytes'] / 1e6:>9.2f}{fact['latency_ms']:>9.2f}"
            f"{fact['agreement']:>11.1%}{''.join(f'{each:>9}' for each in pair)}"
            f"{fact['positions']:>10,}"
        )
    lines.append(f"model, file: {name}{unit} of the Keras model and of the file itself")
    return "\n".join(lines)
