"""The benchmark command: files timed here, prepared for a phone, or read from there."""

import importlib.metadata
from pathlib import Path

from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.signatures import SHORTEST
from tfdistill.run.benchmarked_files import compared_files, files_of
from tfdistill.system import hardware
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.system.paths import require_file, require_folder


def benchmark_and_show(config, console):
    """Times files and prints tables; or writes a folder for a phone, or reads its output.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        dict for JSON: `machine`, `files` and `times`; of a phone's output `times` alone, and of
        a folder for a phone `script`; with `build_latency_table` the table (see `latency_model`).

    Raises:
        UserError: a setting is wrong, or there are no files.
    """
    _check_flags(config)
    paths = ("plot", require_file), ("phone", require_folder), ("build_latency_table", require_file)
    for setting, require in paths:
        if value := getattr(config, setting):
            require(setting, value)
    if config.read and not Path(config.read).is_file():
        raise UserError(
            f"`read`={config.read}: no such file: name the output of the benchmark tool"
        )
    if config.build_latency_table:
        return _build_table(config, console)
    if config.read:
        return _read(config, console)
    tokens = _tokens(config.tokens)
    files = files_of(config, console)
    if config.phone:
        return _write_for_phone(files, config, console)
    if tokens[0] > (longest := max(LiteModel(path).length for path in files.values())):
        raise UserError(f"`tokens`={config.tokens}: the files take {longest} at most: give less")
    return _time_here(files | compared_files(config, console), tokens, config, console)


def _check_flags(config):
    """Refuses settings that would change nothing."""
    usual, table = type(config)(), bool(config.build_latency_table)
    only_files = ("model", "part", "references", "plot")
    only_table = ("table_shapes", "table_unseen", "table_largest")
    for name in only_files if table else only_table:
        if (value := getattr(config, name)) != getattr(usual, name):
            which = "not for" if table else "only for"
            raise UserError(f"`{name}`={value} is {which} `build_latency_table`: leave it out")
    if config.phone and config.read:
        raise UserError(
            f"`phone`={config.phone} writes what is to run there, and `read`={config.read} reads "
            "what it printed: give one of them"
        )


def _time_here(files, tokens, config, console):
    from tfdistill.deployment.file_benchmark import file_facts, file_times
    from tfdistill.deployment.weight_cache import usual_folder
    from tfdistill.reports.benchmark import format_files, format_times

    threads, weights = sorted({1, hardware.cores()}), usual_folder()
    line = console.progress("time", len(threads) * len(tokens))
    line.note("loading")
    found = {"machine": _machine(), "files": file_facts(files, threads, weights), "times": []}
    for number, times in enumerate(file_times(files, tokens, threads, config.rounds, weights), 1):
        found["times"] += times
        line(number)
    order = list(found["files"])
    found["times"].sort(key=lambda row: (row["threads"], order.index(row["file"]), row["tokens"]))
    console.say("\n".join([_machine_line(found["machine"]), "", *format_files(found["files"])]))
    console.say("\n".join(["", *format_times(found["times"])]))
    _plot(found["times"], config, console)
    return found


def _build_table(config, console):
    from tfdistill.reports.latency_table import format_table
    from tfdistill.run import latency_table

    lengths = tuple(_tokens(config.tokens))
    if config.phone:
        return _told_script(
            latency_table.write_for_phone(config, lengths, console), config, console
        )
    if config.read:
        table = latency_table.read_table(config, lengths, console)
    else:
        table = latency_table.build_table(config, lengths, _machine(), console)
    console.say("\n".join(format_table(table)))
    console.say(f"table: {config.build_latency_table}")
    return table


def _plot(times, config, console):
    if config.plot:
        from tfdistill.reports.benchmark import times_by_tokens

        write_atomically(config.plot, times_by_tokens(times))
        console.say(f"plot: {config.plot}")


def _write_for_phone(files, config, console):
    from tfdistill.deployment.benchmark_tool import write_for_phone

    script = write_for_phone(files, config.phone)
    console.say(f"{script.parent}: {', '.join(files)}, with inputs, and {script.name}")
    return _told_script(script, config, console)


def _told_script(script, config, console):
    from tfdistill.deployment.benchmark_tool import TOOL

    own = ("build_latency_table", "tokens", "table_shapes", "table_unseen", "table_largest")
    given = [f" `{name}`={getattr(config, name)}" for name in own if config.build_latency_table]
    console.say(
        f"put LiteRT's {TOOL} for the phone there, then: sh {script} > phone.txt\n"
        f"and read the times with: python -m tfdistill.benchmark `read`=phone.txt{''.join(given)}"
    )
    return {"script": str(script)}


def _read(config, console):
    from tfdistill.deployment.benchmark_tool import read_output
    from tfdistill.reports.benchmark import format_times

    times = read_output(config.read)
    console.say("\n".join(format_times(times)))
    _plot(times, config, console)
    return {"times": times}


def _tokens(text):
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise UserError(
            f"`tokens`={text}: give whole numbers, separated by commas, such as 16,30,128"
        ) from None
    if found[0] < SHORTEST:
        raise UserError(f"`tokens`={text}: {found[0]} is less than {SHORTEST}: leave it out")
    return found


def _machine():
    return {
        "chip": hardware.chip(),
        "instruction_sets": list(hardware.instruction_sets()),
        "flags": hardware.cpu_flags(),
        "cores": hardware.cores(),
        "litert": importlib.metadata.version("ai-edge-litert"),
    }


def _machine_line(machine):
    sets = " ".join(machine["instruction_sets"])
    parts = (machine["chip"], sets, f"{machine['cores']} cores", f"LiteRT {machine['litert']}")
    return ", ".join(filter(None, parts))
