"""Measures models on held-out text: the test split of --corpus, with the masks of the main job.

    python -m tfdistill.evaluate --output_dir=runs/mini
    python -m tfdistill.evaluate --model=DIR --teacher=DIR --corpus=wikitext-2 --data_dir=DIR

Without --model it measures every model of the run in --output_dir, on the run's own text and length
unless others are given, and repeats the verdict with the sizes and latencies that the run measured.
With --model it measures that one, and --teacher beside it. The tokenizer is the model's own, or
that of --tokenizer. "unigram" always predicts the training split's token frequencies. With --json:
{"corpus", "split", "models", "differences"}, and "verdict", "conclusion" and "teacher_answers" for
a run.
"""

import json
import textwrap
from pathlib import Path

from tfdistill.command_line.cli import Command
from tfdistill.command_line.run_text import HELP
from tfdistill.run import machine
from tfdistill.run.held_out import open_held_out, require_fit, student_of
from tfdistill.settings.text import Corpus
from tfdistill.system.errors import UserError
from tfdistill.system.paths import require_shards

NO_END = "is not finished (no metrics.json)"
COMMAND = Command(
    __doc__,
    (Corpus, "model", "teacher", "length", "output_dir", "device", "json"),
    help=HELP
    | {
        "model": "Hugging Face directory or hub name; empty: the models of the run in "
        "`output_dir`.",
        "teacher": "Directory or hub name of a second model, measured beside `model`.",
        "output_dir": "Run whose models are measured if `model` is empty.",
    },
    reads_run=True,
)
OF_FILES = "bytes", "latency_ms", "file", "files"  # what a run measured of its models' files


def main():
    """Runs the command."""
    COMMAND.run(_evaluate)


def _evaluate(config):
    sources = _sources(config)
    require_shards(config.shards_dir)
    from tfdistill.run.sources import open_text

    corpus = open_text(config)
    machine.for_looking(config)
    from tfdistill.command_line.console import Console
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.models.hugging_face.checkpoint import load_model, resolve_directory
    from tfdistill.reports.corpus_files import format_files
    from tfdistill.run.measure import add_errors, evaluate_models

    measured = "model" if config.model else "student"
    directories = {key: resolve_directory(source) for key, source in sources.items()}
    tokenizer = load_tokenizer(config.tokenizer or str(directories[measured]))
    models = {key: load_model(directory) for key, directory in directories.items()}
    for key, model in models.items():
        flag = f"--{key}" if config.model else "--output_dir"
        require_fit(config, tokenizer, f"{flag}={sources[key]}", model)
    if models[measured].head is None:
        raise UserError(f"--model={sources['model']} has no masked-LM head: name a model with one")
    console = Console(json=config.json)
    counts, batches = open_held_out(config, tokenizer, corpus, console)
    line = console.progress("evaluate", len(models) * len(batches))
    line.note("tracing the models")
    found, sums = evaluate_models(
        models.items(), counts, batches, lambda key, done: line(done, f"batches: {key}")
    )
    result = {"corpus": config.corpus, "split": "test", "models": found}
    result["differences"] = add_errors(found, sums)
    if not config.model:
        result |= _verdict(Path(config.output_dir), found, result["differences"])
    if files := format_files(corpus):
        console.say(files)
    console.say(_table(result, sources))
    if config.json:
        print(json.dumps(result))


def _verdict(run, models, differences):
    """Holds the student against its teacher, with what the run measured of their files."""
    from tfdistill.run.metrics import judge
    from tfdistill.run.verdict import NOT_SHOWN

    file = run / "metrics.json"
    metrics = json.loads(file.read_text()) if file.is_file() else {"models": {}}
    for key, model in models.items():
        facts = metrics["models"].get(key, {})
        model.update({name: facts[name] for name in OF_FILES if name in facts})
    judged = judge(models, differences, metrics.get("made_from", {}))
    if not judged["verdict"] and "top1" in models.get("teacher", {}):
        what = "knows no sizes and latencies of both models' files" if file.is_file() else NO_END
        judged["conclusion"] = {"state": NOT_SHOWN, "text": f"{NOT_SHOWN}: the run {what}"}
    return judged


def _sources(config):
    """What to measure, the teacher first: dict of names to folders or hub names."""
    if config.model:
        if "," in config.teacher and not Path(config.teacher).is_dir():
            raise UserError(
                f"--teacher={config.teacher}: name one, which the model is held against"
            )
        teacher = {"teacher": config.teacher} if config.teacher else {}
        return teacher | {"model": config.model}
    student_of(config)
    from tfdistill.run.directory import RunPaths

    run = RunPaths(config.output_dir)
    return {key: str(run.model(key)) for key in run.models()}


def _table(result, sources):
    from tfdistill.reports import table

    lines = [f"{key:<16}{source}" for key, source in sources.items()]
    if "verdict" in result:
        return "\n".join([*lines, "", table.format_table(result)])
    lines.append(f"corpus          {result['corpus']}, {result['split']} split\n")
    lines += table.format_models(result["models"])
    lines += ["", *table.format_models(table.difference_rows(result), table.DIFFERENCE_COLUMNS), ""]
    for note in table.notes(result):
        lines += textwrap.wrap(note, table.WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
