"""Exports a student for the phone, and proves on held-out text that the files equal the model.

    python -m tfdistill.export --output_dir=runs/mini

Takes the student of the run in --output_dir, or any model with --model, and writes --output_dir's
export/ anew: student.tflite, student_int8.tflite, saved_model/, the tokenizer and model_card.md.
The held-out text is the test split of --corpus in rows of --length tokens; a run's own, unless they
are given. With --json:
{"directory", "files": {name: bytes, latency and parity}}.
"""

import json
from pathlib import Path

from tfdistill.command_line.cli import Command
from tfdistill.command_line.run_text import HELP
from tfdistill.run import machine
from tfdistill.run.held_out import open_held_out, require_fit, student_of
from tfdistill.settings.text import Corpus
from tfdistill.system.errors import UserError
from tfdistill.system.paths import require_folder, require_shards

COMMAND = Command(
    __doc__,
    (Corpus, "model", "length", "output_dir", "force", "device", "json"),
    help=HELP
    | {
        "model": "Hugging Face directory or hub name; empty: the student of the run in "
        "`output_dir`.",
        "output_dir": "Folder whose export/ is written; without `model`, the run of the student.",
        "force": "Let the files of `model` replace those of the run in `output_dir`.",
    },
    reads_run=True,
)


def main():
    """Runs the command."""
    COMMAND.run(_export)


def _export(config):
    require_folder("output_dir", config.output_dir)
    require_shards(config.shards_dir)
    run = Path(config.output_dir)
    if config.model and (run / "checkpoints" / "state.json").exists() and not config.force:
        raise UserError(
            f"--output_dir={run} is a run, and --model would take the place of its student's "
            "files: name another --output_dir, or insist with --force"
        )
    source = config.model or student_of(config)
    from tfdistill.run.sources import open_text

    corpus = open_text(config)
    machine.for_looking(config)
    from tfdistill.command_line.console import Console
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.deployment.bundle import export_bundle
    from tfdistill.deployment.model_card import write_model_card
    from tfdistill.models.hugging_face.checkpoint import load_model, resolve_directory
    from tfdistill.reports.corpus_files import format_files

    console = Console(json=config.json)
    source = resolve_directory(source)
    model = load_model(source)
    tokenizer = load_tokenizer(config.tokenizer or str(source))
    require_fit(config, tokenizer, f"--model={source}", model)
    output = run / "export"
    _, batches = open_held_out(config, tokenizer, corpus, console)
    line = console.progress("export", None)
    facts, failure = export_bundle(model, output, config.length, tokenizer, batches, line.note)
    metrics = None if config.model else _metrics_of(run)
    write_model_card(output / "model_card.md", model.config, facts, metrics)
    if files := format_files(corpus):
        console.say(files)
    console.say(f"{output}\n{_table(facts)}")
    if config.json:
        print(json.dumps({"directory": str(output), "files": facts}))
    if failure:
        raise failure


def _metrics_of(run):
    """The results of a finished run, or None."""
    file = run / "metrics.json"
    return json.loads(file.read_text()) if file.is_file() else None


def _table(facts):
    head = (
        f"{'file':<20}{'MB':>9}{'ms':>9}{'agreement':>11}{'loss':>9}{'Keras loss':>12}{'words':>8}"
    )
    lines = [head]
    for name, fact in facts.items():
        lines.append(
            f"{name:<20}{fact['bytes'] / 1e6:>9.2f}{fact['latency_ms']:>9.2f}"
            f"{fact['agreement']:>11.1%}{fact['loss_lite']:>9.4f}{fact['loss_keras']:>12.4f}"
            f"{fact['positions']:>8,}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
