"""The latency table: files of many shapes, their times here or on a phone, and the fitted model."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np

from tfdistill.deployment import benchmark_tool
from tfdistill.deployment.latency_fit import error_of, fit_costs, predicted, shares_of
from tfdistill.deployment.latency_model import CPU, FORMAT, WALL, sizes_of
from tfdistill.deployment.resized_file import resize
from tfdistill.deployment.timed_shapes import LEAST_WIDTH, template_of, timed_shapes
from tfdistill.models.configs.config_files import (
    config_file,
    config_of,
    named_config,
    read_json,
)
from tfdistill.run.benchmarked_files import VARIANTS, template_files
from tfdistill.run.latency_times import TimedPasses, timer_of
from tfdistill.system import hardware, strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import taken, write_atomically

TYPES = "bert", "distilbert"
PART, FILES = ".part", ".files"  # behind the table's name: times so far, and the timed files
MADE_FOR = "made_for.json"  # among these files


def build_table(config, lengths, machine, console):
    """Times shapes here, and writes their latency model; a table that was begun is continued.

    Args:
        config: a `RunConfig`.
        lengths: tuple of the lengths of rows, ascending.
        machine: dict that describes this machine.
        console: a `Console`.

    Returns:
        dict, the table (see `latency_model`).

    Raises:
        UserError: a setting is wrong, a file cannot be written, or another process builds the same
            table.
    """
    target = Path(config.build_latency_table)
    shapes = _shapes(config, lengths)
    with _taken(target, f"`build_latency_table`={target}: another process is building this table"):
        return _build(target, shapes, config, lengths, machine, console)


def _build(target, shapes, config, lengths, machine, console):
    threads = sorted({1, hardware.cores()})
    files = write_files(shapes, lengths, _beside(target, FILES), config, console)
    made_for = {"files": _made_for(shapes, lengths), "rounds": config.rounds, "machine": machine}
    names = [shape.name for shape in shapes]
    times = TimedPasses(_beside(target, PART), names, threads, made_for)
    line = console.progress("time", times.steps, first=times.done)
    line.note("loading")
    for done in times.measure(timer_of(files, lengths, config.rounds)):
        line(done)
    table = table_of(shapes, times.found(), CPU, machine) | {"rounds": config.rounds}
    write_atomically(target, strict_json.dumps(table) + "\n")
    _beside(target, PART).unlink(missing_ok=True)
    shutil.rmtree(_beside(target, FILES))
    return table


def _shapes(config, lengths):
    path = config_file(config.table_largest)
    try:
        largest = config_of(read_json(path), path) if path else named_config(config.table_largest)
    except UserError as error:
        raise UserError(f"`table_largest`: {error.message}") from None
    if largest.model_type not in TYPES or largest.hidden_size < LEAST_WIDTH:
        raise UserError(
            f"`table_largest`={config.table_largest}: a table is made for {' or '.join(TYPES)}, "
            f"with a width of at least {LEAST_WIDTH}: name another shape"
        )
    if lengths[-1] > largest.max_length:
        raise UserError(
            f"`tokens`={config.tokens}: `table_largest`={config.table_largest} has "
            f"{largest.max_length} positions: give less"
        )
    return timed_shapes(largest, config.table_shapes, config.table_unseen)


def _beside(path, ending):
    return path.with_name(path.name + ending)


def _taken(path, told):
    """Keeps other processes out: what they write beside a path would be a mixture."""
    lock = path.with_name(f".{path.name}.lock")
    return taken(lock, f"{told}: wait for its end, or give another name")


def write_files(shapes, lengths, folder, config, console):
    """Writes the files of shapes, those that are not there.

    Args:
        shapes: list of `TimedShape`s.
        lengths: tuple of the lengths of rows.
        folder: where to; files of an earlier call with the same largest shape and lengths are
            kept, others are deleted.
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        dict of (shape's name, variant) to `Path`s.

    Raises:
        UserError: they cannot be written.
    """
    made_for = json.dumps(_made_for(shapes, lengths))
    if not (folder / MADE_FOR).is_file() or (folder / MADE_FOR).read_text() != made_for:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / MADE_FOR, made_for)
    line, found = console.progress("files", len(shapes)), {}
    line.note("converting one file for each depth")
    for number, shape in enumerate(shapes, 1):
        template, sizes = template_of(shape, lengths)
        own = {variant: folder / f"{shape.name}_{variant}.tflite" for variant in VARIANTS}
        if missing := {variant: path for variant, path in own.items() if not path.is_file()}:
            contents = template_files(template, lengths, config, console)
            for variant, path in missing.items():
                write_atomically(path, resize(contents[variant].read_bytes(), sizes))
        found |= {(shape.name, variant): path for variant, path in own.items()}
        line(number)
    return found


def _made_for(shapes, lengths):
    """What files hold beside the sizes in their names: dict for JSON."""
    return {
        "largest": dataclasses.asdict(shapes[0].config),
        "lengths": list(lengths),
        "versions": hardware.versions(),
    }


def write_for_phone(config, lengths, console):
    """Writes the files of all shapes into a folder for a phone.

    Args:
        config, lengths, console: as for `build_table`.

    Returns:
        `Path` of the script (see `benchmark_tool.write_for_phone`).

    Raises:
        UserError: as `build_table`.
    """
    inside, shapes = Path(config.phone) / "table", _shapes(config, lengths)
    folder = _beside(inside, FILES)
    with _taken(inside, f"`phone`={config.phone}: another process is writing there"):
        files = write_files(shapes, lengths, folder, config, console)
        named = {f"{name}_{variant}": path for (name, variant), path in files.items()}
        script = benchmark_tool.write_for_phone(named, config.phone)
        shutil.rmtree(folder)
    return script


def read_table(config, lengths, console):
    """Writes the latency model of a phone from what the benchmark tool printed there.

    Args:
        config: a `RunConfig`.
        lengths: tuple of the lengths of rows, ascending.
        console: a `Console`, which names what has no times.

    Returns:
        dict, the table.

    Raises:
        UserError: the file holds times of other files, or of too few.
    """
    shapes, times = _shapes(config, lengths), {}
    names = {
        f"{shape.name}_{variant}": (shape.name, variant) for shape in shapes for variant in VARIANTS
    }
    for call in benchmark_tool.read_output(config.read):
        length = call.get("length", lengths[0])  # a file of one length does not name it
        file = call.get("file", "")
        if file not in names or length not in lengths:
            raise UserError(
                f"`read`={config.read}: {file}, {length} tokens, is no file of this table: give "
                "`tokens`, `table_shapes`, `table_unseen` and `table_largest` as for `phone`"
            )
        took = call.get("median_ms", call["mean_ms"])
        times.setdefault((*names[file], length, call["threads"]), []).append((None, took))
    console.warn(_missing(config, names.values(), lengths, times))
    table = table_of(shapes, times, WALL, {"litert": benchmark_tool.TOOL})
    write_atomically(Path(config.build_latency_table), strict_json.dumps(table) + "\n")
    return table


def _missing(config, files, lengths, times):
    """A line about the calls of the tool that printed no times: list."""
    threads = benchmark_tool.THREADS
    calls = [(*file, length, n) for file in files for length in lengths for n in threads]
    missing = [call for call in calls if call not in times]
    if not missing:
        return []
    name, variant, length, count = missing[0]
    return [
        f"`read`={config.read}: {len(missing)} of {len(calls)} calls have no times, the first "
        f"{name}_{variant}, {length} tokens, {count} thread{'s' if count > 1 else ''}: left out"
    ]


def table_of(shapes, times, kind, machine):
    """Fits the model and tests it.

    Args:
        shapes: list of `TimedShape`s.
        times: dict of (name, variant, length, threads) to a list of pairs of milliseconds, one
            for each pass: of thread CPU time, or None, and by the clock.
        kind: `CPU` or `WALL`: which of the two is fitted.
        machine: dict that describes where they were measured.

    Returns:
        dict, the table.

    Raises:
        UserError: there are too few times.
    """
    which, known = (0 if kind == CPU else 1), {shape.name: shape for shape in shapes}
    rows, fits = [], []
    for variant, length, threads in sorted({key[1:] for key in times}):
        own = {
            key[0]: np.array(times[key], float)
            for key in times
            if key[1:] == (variant, length, threads)
        }
        fit, predictions = _fit(known, own, which, (length, variant))
        fits.append({"variant": variant, "length": length, "threads": threads, **fit})
        for name, passes in own.items():
            rows.append(
                {
                    "shape": name,
                    "unseen": known[name].unseen,
                    "variant": variant,
                    "length": length,
                    "threads": threads,
                    "milliseconds": float(np.median(passes[:, which])),
                    "wall_ms": float(np.median(passes[:, 1])),
                    "predicted": predictions[name],
                    "apart": _apart(passes[:, which]),
                }
            )
    sizes = [sizes_of(shape.config) for shape in shapes]
    return {
        "format": FORMAT,
        "kind": kind,
        "machine": machine,
        "smallest": {name: min(each[name] for each in sizes) for name in sizes[0]},
        "largest": {name: max(each[name] for each in sizes) for name in sizes[0]},
        "fits": fits,
        "times": rows,
    }


def _apart(passes):
    """The middle half of the passes of a file, relative to the median; None for a single one."""
    if len(passes) == 1:
        return None
    low, middle, high = np.percentile(passes, [25, 50, 75])
    return float((high - low) / middle)


def _fit(known, own, which, files):
    """(dict of a fit, dict of the predicted times of all shapes)."""
    middle = {name: float(np.median(passes[:, which])) for name, passes in own.items()}
    seen = [name for name in own if not known[name].unseen]
    unseen = [name for name in own if known[name].unseen]
    if len(seen) < 20 or not unseen:
        raise UserError(
            f"there are times of {len(seen)} shapes to fit and of {len(unseen)} unseen ones only: "
            "a table needs 20 and 1; run the script again and add what it prints"
        )
    shapes = [known[name] for name in own]
    costs = fit_costs([known[name] for name in seen], [middle[name] for name in seen], *files)
    guesses = dict(zip(own, predicted(costs, shapes, *files), strict=True))

    def error(names):
        return error_of([guesses[name] for name in names], [middle[name] for name in names])

    fit = {"milliseconds": costs, "error": error(unseen), "error_of_fitted": error(seen)}
    fit["shares"] = shares_of(costs, shapes, *files)
    apart = [_apart(passes[:, which]) for passes in own.values() if len(passes) > 1]
    fit["apart"] = float(np.median(apart)) if apart else None
    return fit, guesses
