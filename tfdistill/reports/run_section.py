"""The section of the report about the run: command, settings, text, machine, time."""

from html import escape

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.reports.labelled_data import sizes_of
from tfdistill.reports.page import table
from tfdistill.reports.table import BASELINES, MODEL_NAMES


def run_section(metrics):
    """Writes the section.

    Args:
        metrics: dict, the content of a run's metrics.json; missing facts are left out.

    Returns:
        HTML; "" without facts about the run.
    """
    run = metrics.get("run", {})
    groups = [
        ("Training", _training_rows(run)),
        (
            "Shapes and text",
            _shape_rows(run.get("shapes", {})) + _corpus_rows(run.get("corpus", {})),
        ),
        ("Time", _time_rows(metrics.get("seconds", {}), run.get("date"))),
        (
            "Machine and software",
            _machine_rows(run.get("machine", {}), metrics.get("peak_memory_bytes"))
            + [[name, str(found)] for name, found in metrics.get("versions", {}).items()],
        ),
    ]
    groups = "".join(
        f"<div><h3>{escape(heading)}</h3>{table([], rows)}</div>"
        for heading, rows in groups
        if rows
    )
    command = ""
    if run:
        command = (
            "<h3>Command, with all flags that differ from their defaults</h3>"
            f"<pre>{escape(run['command'])}</pre>"
        )
    return command + (f'<div class="facts words">{groups}</div>' if groups else "")


def _training_rows(run):
    if not run:
        return []
    rows = [["recipe", run["recipe"]], ["student starts from", run["student_init"]]]
    rows.append(["seed", str(run["seed"])])
    for name, steps in run["steps"].items():
        rate = f"{run['learning_rates'][name]:g}"
        rows.append([f"steps, {_stage(name)}", f"{steps:,} at a peak learning rate of {rate}"])
    batch = f"{run['rows_in_a_step']:,} rows of {run['tokens_in_a_row']:,} tokens"
    return [*rows, ["in a step", batch]]


def _stage(name):
    return MODEL_NAMES[name] if name.startswith(BASELINES) else name


def _shape_rows(shapes):
    return [
        [
            name,
            f"{shape['model_type']}, {shape['num_hidden_layers']} × {shape['hidden_size']}, "
            f"{_of_layers(shape)}vocabulary of {shape['vocab_size']:,} tokens",
        ]
        for name, shape in shapes.items()
    ]


def _of_layers(shape):
    words = get_model_type(shape["model_type"]).config.LAYERS_IN_WORDS.format_map(shape)
    return words and f"{words}, "


def _corpus_rows(corpus):
    if not corpus:
        return []
    sizes = [[split, _sizes_of(facts)] for split, facts in corpus["splits"].items()]
    return [["corpus", corpus["name"]], *sizes]


def _sizes_of(facts):
    if "examples" in facts:
        return sizes_of(facts)
    tokens, documents = (_count(facts[name], name.rstrip("s")) for name in ("tokens", "documents"))
    return f"{tokens}, {documents}, {_size(facts['bytes'])}"


def _time_rows(seconds, date):
    rows = [["finished", date.replace("T", " ").replace("+00:00", " UTC")]] if date else []
    if seconds:
        rows += [[_stage(name), _duration(spent)] for name, spent in seconds.items()]
        rows.append(["whole run", _duration(sum(seconds.values()))])
    return rows


def _machine_rows(machine, peak_memory_bytes):
    rows = []
    if machine:
        compiled = "compiled with XLA" if machine["jit_compile"] else "not compiled"
        several = f"{machine['replicas']} × " if machine["replicas"] > 1 else ""
        rows = [
            ["trained on", f"{several}{machine['device']}, {machine['precision']}, {compiled}"],
            ["processor", machine["processor"]],
            ["cores", str(machine["cores"])],
            ["memory", f"{machine['memory_bytes'] / 1e9:.1f} GB"],
        ]
    if peak_memory_bytes:
        rows.append(["peak memory", f"{peak_memory_bytes / 1e9:.2f} GB"])
    return rows


def _count(number, thing):
    return f"{number:,} {thing}{'s' * (number != 1)}"


def _size(size):
    return f"{size / 1e6:.2f} MB" if size >= 1e4 else f"{size:,} bytes"


def _duration(seconds):
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
