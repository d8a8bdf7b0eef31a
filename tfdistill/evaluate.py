"""Measures a model on held-out text: the test split of --corpus, with the masks of the main job.

    python -m tfdistill.evaluate --model=DIR --teacher=DIR --corpus=wikitext-2 --data_dir=DIR
    python -m tfdistill.evaluate --flagfile=configs/mini.flags

Without --model it takes student and teacher of the run in --output_dir. The tokenizer is the
model's own, or that of --tokenizer. Shown beside it are the unigram model, which always predicts
the training split's token frequencies, and the teacher. With --json: {"corpus", "split", "models":
{"unigram", "teacher", "model"}}.
"""

import json
import textwrap
from pathlib import Path

from tfdistill import cli, devices, flags
from tfdistill.errors import UserError
from tfdistill.held_out import open_held_out, require_fit, student_of


def main():
    """Runs the command."""
    shown = ["--model", "--teacher", flags.CORPUS, "--output_dir", "--json"]
    cli.run(_evaluate, __doc__, shown)


def _evaluate(config):
    sources = _sources(config)
    devices.prepare()
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.models.checkpoint import load_model, resolve_directory
    from tfdistill.progress import Console
    from tfdistill.results import evaluate_models

    directories = {key: resolve_directory(source) for key, source in sources.items()}
    tokenizer = load_tokenizer(config.tokenizer or str(directories["model"]))
    models = {key: load_model(directory) for key, directory in directories.items()}
    for key, model in models.items():
        require_fit(config, tokenizer, f"--{key}={sources[key]}", model)
    if models["model"].head is None:
        raise UserError(f"--model={sources['model']} has no masked-LM head: name a model with one")
    counts, batches = open_held_out(config, tokenizer)
    found = evaluate_models(models.items(), counts, batches)
    result = {"corpus": config.corpus, "split": "test", "models": found}
    Console(json=config.json).say(_table(result, sources))
    if config.json:
        print(json.dumps(result))


def _sources(config):
    """What to measure, the teacher first: dict of "teacher", when there is one, and "model"."""
    if config.model:
        teacher, model = config.teacher, config.model
    else:
        model = student_of(config)
        # The run's own: it may have been trained on since --teacher named it.
        teacher = Path(config.output_dir) / "teacher"
        teacher = teacher if teacher.is_dir() else ""
    return ({"teacher": str(teacher)} if teacher else {}) | {"model": str(model)}


def _table(result, sources):
    from tfdistill.reports.table import COLUMNS, NOTES, WIDTH, format_models

    lines = [f"{key:<8}{source}" for key, source in sources.items()]
    lines.append(f"corpus  {result['corpus']}, {result['split']} split\n")
    shown = [column for column in COLUMNS if column.name not in ("file", "latency")]
    notes = [textwrap.fill(note, WIDTH, subsequent_indent="  ") for note in NOTES[:2]]
    return "\n".join([*lines, *format_models(result["models"], shown), "", *notes])


if __name__ == "__main__":
    main()
