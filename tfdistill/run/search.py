"""The search for the best part of a super-student within bounds, with the weights it inherits."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from tfdistill.deployment.operators import VOCABULARY
from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.models.part_shapes import RANGES, PartRanges, PartShape
from tfdistill.run import machine
from tfdistill.run.advice_shapes import Size
from tfdistill.run.evolution import FEWEST, Evolution, Rules, front
from tfdistill.run.held_out import require_fit, student_of
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.system.kept import file_digest

STATE, BEST, PLOT = "search.json", "best", "front.svg"  # in the folder of the search


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The sizes of the parts of a super-student, and the bounds on them.

    Args:
        config: EncoderConfig of the super-student.
        lengths: lengths of the rows in exported files.
        bounds: dict of "int8_bytes" and "parameters" to the largest number; only those that are
            bounded.
    """

    config: Any
    lengths: tuple
    bounds: dict

    def of(self, shape):
        """Sizes of a part, a masked LM: dict of "parameters" and "int8_bytes"."""
        size = Size.of(shape.config(self.config))
        return {
            "parameters": size.masked_lm_parameters,
            "int8_bytes": size.int8_bytes(self.lengths, VOCABULARY),
        }

    def allow(self, shape):
        """Whether a part is within all bounds, and not much smaller than all of them allow."""
        sizes = self.of(shape)
        shares = [sizes[name] / most for name, most in self.bounds.items()]
        return not shares or FEWEST <= max(shares) <= 1.0


class Trials:
    """The losses of the parts that were tried, which a stopped search reads again.

    Args:
        file: where they are stored, after each trial.
        identity: dict of everything that decides the losses.
        measure: function of a `PartShape` to its loss.
        sizes: `Sizes`.
        progress: function of (trials, line for the progress).

    Attributes:
        rows: list of dicts, one for each trial: "shape", "loss" and the sizes.
    """

    def __init__(self, file, identity, measure, sizes, progress):
        self._file, self._identity, self._measure = file, identity, measure
        self._sizes, self._progress = sizes, progress
        self.rows, self._known = [], _stored_losses(file, identity)

    def loss_of(self, shape):
        """Loss of a part, nats."""
        known = self._known.get(shape)
        loss = self._measure(shape) if known is None else known
        self.rows.append({"shape": shape._asdict(), "loss": loss, **self._sizes.of(shape)})
        if known is None:
            self._known[shape] = loss
            self._store()
        best = min(row["loss"] for row in self.rows)
        self._progress(len(self.rows), f"loss {loss:.3f}  best {best:.3f}")
        return loss

    def _store(self):
        losses = [[*shape, loss] for shape, loss in self._known.items()]
        content = {"identity": self._identity, "losses": losses}
        write_atomically(self._file, strict_json.dumps(content) + "\n")


def _stored_losses(file, identity):
    """Losses of an earlier search with the same models and data; {} without."""
    if not file.is_file():
        return {}
    stored = read_json(file)
    if stored.get("identity") != json.loads(json.dumps(identity)):
        return {}
    return {PartShape(*sizes): loss for *sizes, loss in stored["losses"]}


def search_and_show(config, console):
    """Searches the super-student that the settings name, and prints the front.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        dict: "best" and "front" and "trials", lists of rows (see `Trials`), "bounds", "folder".

    Raises:
        UserError: there is no super-student, no text, or no part within the bounds.
    """
    from tfdistill.reports.front import format_front, front_plot

    folder = Path(config.super) if config.super else student_of(config)
    ranges, whole = _read(folder)
    target = Path(config.search_dir) if config.search_dir else folder.parent / "search"
    sizes = Sizes(whole, _lengths(config), _bounds(config))
    space = ranges.space(whole)
    rules = Rules(
        config.population,
        config.generations,
        config.mutation,
        config.crossover,
        config.fast_rule,
    )
    model, tokenizer, score, identity = _open(config, folder, console)
    count = rules.population * (1 + rules.generations)
    line = console.progress("search", count)
    line.note("tracing the super-student")
    trials = Trials(target / STATE, identity, score, sizes, line)
    Evolution(space, sizes.allow, trials.loss_of, rules, config.seed).run()
    line(count)
    rows = sorted(trials.rows, key=lambda row: row["loss"])
    found = {
        "best": rows[0],
        "front": [row for *_, row in front(_by_size(rows))],
        "trials": trials.rows,
        "bounds": sizes.bounds,
        "folder": str(target),
    }
    _save_best(model, PartShape(**rows[0]["shape"]), tokenizer, target / BEST)
    write_atomically(target / "front.json", strict_json.dumps(found) + "\n")
    write_atomically(target / PLOT, front_plot(trials.rows, found["front"], sizes.bounds))
    console.say(format_front(found, len(space)))
    console.say(f"the best part: train it on with `student`={target / BEST}")
    return found


def _by_size(rows):
    return [(row["int8_bytes"], row["loss"], row) for row in rows]


def _read(folder):
    """(`PartRanges`, EncoderConfig) of a super-student's folder."""
    if not (folder / RANGES).is_file():
        raise UserError(
            f"{folder} has no {RANGES}: name the student of a run with `recipe`=autotinybert with "
            "`super` or `output_dir`"
        )
    return PartRanges.read(folder), config_of(read_json(folder / CONFIG), folder / CONFIG)


def _lengths(config):
    from tfdistill.deployment.signatures import lengths_of

    return lengths_of(config.tflite_lengths, config.length)


def _bounds(config):
    bounds = {
        "int8_bytes": round(1e6 * config.size_mb),
        "parameters": round(1e6 * config.parameters_m),
    }
    return {name: most for name, most in bounds.items() if most}


def _open(config, folder, console):
    """(model, its tokenizer, function of a `PartShape` to its validation loss, identity)."""
    from tfdistill.run.early_plan import open_task
    from tfdistill.run.sources import tokenizer_of

    if config.task != "masked_lm":
        raise UserError(f"`task`={config.task}: parts are searched by masked LM: leave it out")
    machine.for_looking(config)  # before anything imports TensorFlow
    task, data = open_task(config, training=True)
    tokenizer = tokenizer_of(task, str(folder))
    model = task.load(str(folder))
    require_fit(config, tokenizer, f"`super`={folder}", model)
    prepared = task.prepare(data, tokenizer, config, progress=console.preparation)
    console.warn((*tokenizer.notes, *prepared.warnings))
    batches = _validation(task, prepared.sources["validation"])
    identity = {
        "model": file_digest(folder / "model.safetensors"),
        "data": prepared.identity,
        "length": config.length,
    }
    return model, tokenizer, _scorer(task, model, batches), identity


def _validation(task, source):
    batches = task.evaluation_batches(source)
    count = min(len(batches), task.validation_batches or len(batches))
    return [batches.at(index) for index in range(count)]


def _scorer(task, model, batches):
    """Function of a `PartShape` to the loss; all shapes share one trace."""
    import tensorflow as tf

    sizes = PartShape(*(tf.Variable(0.0) for _ in PartShape._fields))
    score = task.scorer(model, shape=sizes)

    def loss(shape):
        for variable, size in zip(sizes, shape, strict=True):
            variable.assign(size)
        return task.evaluate(score, batches).metrics["loss"]

    return loss


def _save_best(model, shape, tokenizer, folder):
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.subnet import extract_subnet

    part = extract_subnet(model, shape)
    save_model(part, folder)
    tokenizer.save(folder, part.config.model_type, part.config.max_length)
