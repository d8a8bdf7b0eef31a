"""The search for the best part of a super-student within bounds, with the weights it inherits."""

import dataclasses
import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfdistill.deployment.signatures import lengths_of
from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.models.part_grid import GRID
from tfdistill.models.part_shapes import RANGES, PartRanges, PartShape
from tfdistill.run import machine
from tfdistill.run.directory import RunPaths
from tfdistill.run.evolution import Evolution, NothingAllowed, Rules, front
from tfdistill.run.held_out import require_fit, student_of
from tfdistill.run.model_classes import with_classes_of
from tfdistill.run.part_costs import BYTES, LATENCY, Latency, PartCosts
from tfdistill.run.search_goal import check_goal, goal_of, metric_of, nothing_within
from tfdistill.run.trained_part import TRAINED, measured, require_run, train_on
from tfdistill.run.trials import Trials
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import taken, write_atomically
from tfdistill.system.paths import require_folder, require_shards
from tfdistill.system.sums import file_digest

# In the folder of the search.
STATE, BEST, RESULT, PAGE = "search.json", "best", "front.json", "report.html"
LOCK = "lock"
PLOTS = {BYTES: "front.svg", LATENCY: "latency_front.svg"}


@dataclasses.dataclass(frozen=True)
class Searched:
    """A super-student that is open for a search.

    Args:
        task: the `Task`, bound to its classes.
        corpus: name of the text, or of the examples.
        model: its `Model`.
        tokenizer: its `Tokenizer`.
        value_of: function of a `PartShape` to its metric on the validation split; all shapes share
            one trace.
        value_of_model: function of a `Model` to the same.
        identity: dict of everything that decides the values.
    """

    task: Any
    corpus: str
    model: Any
    tokenizer: Any
    value_of: Callable
    value_of_model: Callable
    identity: dict


def search_and_show(config, console):
    """Searches the super-student that the settings name, trains the best part on, and reports.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        dict, the content of front.json: "best", a row (see `Trials`); "front" and, with a latency
        table, "latency_front", lists of rows; "trials", all of them; "whole", the costs of the
        super-student; "parts", their number; "corpus" and "length" of the rows; what the goal and
        the latency are; "folder"; and "trained", if the best part was trained on (see
        `trained_part`).

    Raises:
        UserError: there is no super-student, no data, no table, or no part as is asked for; or
            another process searches in the same folder.
    """
    folder = Path(config.super) if config.super else student_of(config, "super")
    if folder.name in ("", ".."):  # "." has no parent, where the run is; that of ".." is "."
        folder = folder.resolve()
    ranges, whole = _read(folder)
    space = ranges.space(whole)
    check_goal(config)
    lengths = lengths_of(config.tflite_lengths, config.length)
    latency = Latency.of(config, lengths, folder)
    if config.steps:
        require_run(config, folder)
    target = Path(config.search_dir) if config.search_dir else folder.parent / "search"
    require_folder("search_dir", str(target))
    _require_own(target)
    opened = _open(config, folder, console)
    costs = PartCosts.of(opened.model, lengths, latency)
    goal = goal_of(config, opened.task, costs, space.whole)
    refusal = (
        f"`search_dir`={target}: another process is searching there: wait for its end, or name "
        "another folder"
    )
    with taken(target / LOCK, refusal):
        return _search(config, console, folder, target, opened, space, costs, goal)


def _search(config, console, folder, target, opened, space, costs, goal):
    from tfdistill.reports.front import format_front, format_trained, front_plot

    rows, latency = _tried(config, console, space, opened, costs, goal, target), costs.latency
    found = _found(rows, goal)
    if latency is not None:
        found["latency"] = latency.described(rows, opened.model.config.vocab_size)
    found |= {"whole": {"shape": space.whole._asdict()} | goal.whole}
    found |= {"parts": len(space), "task": opened.task.name, "folder": str(target)}
    found |= {"corpus": opened.corpus, "length": config.length}
    _write(found, target, goal.metric)
    for cost, name in PLOTS.items():
        (target / name).unlink(missing_ok=True)  # an earlier search may have had a table
        if cost in rows[0]:
            write_atomically(target / name, front_plot(found, cost, goal.metric))
    console.say(format_front(found, goal.metric))
    if not goal.is_met(found["best"]):
        shutil.rmtree(target / BEST, ignore_errors=True)  # an earlier search's
        raise UserError(
            f"no part that was tried reaches `quality`={config.quality:g}; the best has "
            f"{goal.metric.text(found['best'])} {goal.metric.unit}: ask for less, or train the "
            "super-student longer"
        )
    _save_best(opened, PartShape(**found["best"]["shape"]), target / BEST)
    if config.steps:
        run = train_on(config, folder, target, target / BEST, console)
        found["trained"] = measured(run, opened, latency, goal.metric)
        _write(found, target, goal.metric)
        console.say(format_trained(found, goal.metric))
        console.say(f"trained on: {run.student}; its files: {run.export}")
    console.say(f"the best part: {target / BEST}; report: {target / PAGE}")
    return found


def _tried(config, console, space, opened, costs, goal, target):
    """Runs the evolution: the rows of all parts that were tried."""
    rules = Rules(
        config.population,
        config.generations,
        config.mutation,
        config.crossover,
        config.fast_rule,
    )
    count = rules.population * (1 + rules.generations)
    line = console.progress("search", count)
    line.note("tracing the super-student")
    trials = Trials(target / STATE, opened.identity, opened.value_of, costs, goal, line)

    def allowed(shape):
        return goal.allows(costs(shape))

    try:
        Evolution(space, allowed, trials.score, rules, config.seed).run()
    except NothingAllowed:
        raise nothing_within(config, goal, costs, space) from None
    if len(trials.rows) < count:  # all parts within the bounds were tried
        line(count)
    return trials.rows


def _found(rows, goal):
    """The result of a search, but for what is known of the super-student and the table."""

    def front_of(cost):
        key = goal.metric.key
        points = [(row[cost], goal.badness(row[key]), row) for row in rows]
        return [row for *_, row in front(points)]

    found = {"best": min(rows, key=goal.rank), "front": front_of(BYTES)}
    if LATENCY in rows[0]:
        found["latency_front"] = front_of(LATENCY)
    return found | {"trials": rows} | goal.described()


def _write(found, target, metric):
    from tfdistill.reports.search_page import search_page

    write_atomically(target / RESULT, strict_json.dumps(found) + "\n")
    write_atomically(target / PAGE, search_page(found, metric))


def _require_own(target):
    """Refuses to replace what is no search's."""
    if RunPaths(target).state.is_file() or (target / CONFIG).is_file():
        raise UserError(
            f"`search_dir`={target} is the folder of a run or a model, whose files a search would "
            "replace: name another folder"
        )
    others = [name for name in (BEST, TRAINED) if (target / name).exists()]
    if others and not (target / STATE).is_file():
        raise UserError(
            f"`search_dir`={target} holds {others[0]}/, but no {STATE} of a search, which would "
            "replace it: name another folder"
        )


def _read(folder):
    """(`PartRanges`, EncoderConfig) of a super-student's folder."""
    if not folder.is_dir():
        raise UserError(f"`super`={folder} is no folder: name that of a super-student")
    if (folder / GRID).is_file():
        raise UserError(
            f"{folder} is a student of `recipe`=dynabert, whose few parts need no search: the "
            "report of its run compares them, and tfdistill.export writes the one of its `part`"
        )
    if not (folder / RANGES).is_file():
        raise UserError(
            f"{folder} has no {RANGES}: name the student of a run with `recipe`=autotinybert with "
            "`super` or `output_dir`"
        )
    return PartRanges.read(folder), config_of(read_json(folder / CONFIG), folder / CONFIG)


def _open(config, folder, console):
    """The super-student, on a device: `Searched`."""
    from tfdistill.run.early_plan import open_task
    from tfdistill.run.sources import tokenizer_of

    require_shards(config.shards_dir)
    task, data = open_task(config, training=True)
    machine.for_looking(config)  # before anything imports TensorFlow
    task = with_classes_of(task, data, str(folder))
    tokenizer = tokenizer_of(task, config.tokenizer or str(folder))
    model = task.load(str(folder))
    if model.head is None:
        raise UserError(
            f"`super`={folder} has no head for `task`={task.name}: name the task that it was "
            "trained for with `task`"
        )
    require_fit(config, tokenizer, f"`super`={folder}", model)
    task = task.of_model(model.head.answer_rules)
    prepared = task.prepare(data, tokenizer, config, progress=console.preparation)
    console.warn((*tokenizer.notes, *prepared.warnings))
    source = prepared.sources["validation"]
    evaluate = functools.partial(_value, task, _validation(task, source), source)
    identity = {
        "model": file_digest(folder / "model.safetensors"),
        "data": prepared.identity,
        "length": config.length,
        "task": task.name,
        "metric": metric_of(task).key,
    }
    if model.head.answer_rules is not None:  # answers are read from the logits by these
        identity["rules"] = task.rules.values()
    value_of = _scorer(task, model, evaluate)
    return Searched(
        task,
        data.name if task.kind else config.corpus,
        model,
        tokenizer,
        value_of,
        lambda other: evaluate(task.scorer(other)),
        identity,
    )


def _validation(task, source):
    batches = task.evaluation_batches(source)
    count = min(len(batches), task.validation_batches or len(batches))
    return [batches.at(index) for index in range(count)]


def _value(task, batches, source, score):
    return float(task.evaluate(score, batches, source).metrics[metric_of(task).key])


def _scorer(task, model, evaluate):
    """Function of a `PartShape` to its metric; all shapes share one trace."""
    import tensorflow as tf

    sizes = PartShape(*(tf.Variable(0.0) for _ in PartShape._fields))
    score = task.scorer(model, shape=sizes)

    def value_of(shape):
        for variable, size in zip(sizes, shape, strict=True):
            variable.assign(size)
        return evaluate(score)

    return value_of


def _save_best(opened, shape, folder):
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.subnet import extract_subnet

    part = extract_subnet(opened.model, shape)
    save_model(part, folder)
    opened.tokenizer.save(folder, part.config.model_type, part.config.max_length)
