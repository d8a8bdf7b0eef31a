"""Gives every flag of every command wrong values, in one process into which TensorFlow never comes.

`python tests/walk_flags.py FOLDER` prints a JSON list of [command, flag, value, exit code, lines of
errors, whether it was said that the flag changes nothing, CPU seconds]. A command that would import
TensorFlow is ended with the code 99: it had accepted the value.
"""

import importlib
import io
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
ACCEPTED = 99
NUMBERS = "abc", "nan", ""
MUST_EXIST = {"model", "input", "web_runtime", "grid", "super", "runs", "read", "run"}
MADE = {"shards_dir", "teacher_cache"}  # folders that may be missing
# Words that lead a command to the point where it reads each of its settings; see `write_files`.
BASES = {
    "train": ["--output_dir=out", "--corpus=text.txt", "--shards_dir=shards"],
    "prepare": ["--corpus=text.txt", "--tokenizer=model", "--shards_dir=shards"],
    "evaluate": ["--model=model", "--corpus=text.txt", "--shards_dir=shards"],
    "export": ["--model=model", "--corpus=text.txt", "--output_dir=exported"],
    "predict": ["--model=model", "A text."],
    "fill_mask": ["--model=model", "A [MASK]."],
    "compare": ["--page=page.html", "--runs=run,other_run"],
    "experiment": ["--grid=grid.json", "--output_dir=grid"],
    "search": ["--super=super", "--corpus=text.txt"],
    "advise": ["--run=run"],
    "benchmark": ["--model=lite"],
    "doctor": [],
}


def write_files(folder):
    """Writes what the commands of `BASES` read."""
    from scripts.chaos.strange import contents, formats, lite, runs

    for name, files in {
        "model": formats.FORMATS[0].files() | formats.tokenizer_files(),
        "super": formats.FORMATS[0].files() | formats.tokenizer_files() | formats.part_files(),
        "lite": lite.tflite(),
        "run": runs.run_folder(),
        "other_run": runs.run_folder(),
        "": {"text.txt": contents.TEXT.encode(), "grid.json": json.dumps(contents.GRID).encode()},
    }.items():
        for file, content in files.items():
            (folder / name / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / file).write_bytes(content)


class TensorFlowWanted(BaseException):
    """A command is about to import TensorFlow."""


class _Refuses:
    """Finds no TensorFlow."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "ai_edge_litert", "tensorflow_text"):
            raise TensorFlowWanted(name)
        return None


def wrong_values(name, option, kind):
    """Values of each kind that a flag cannot have: a list of str."""
    if option.choices:
        return ["zzz", option.choices[-1].upper() + "x", "3"]
    if kind is bool:
        return ["maybe", "2", ""]
    if kind in (int, float):
        found = list(NUMBERS) + (["1.5"] if kind is int else ["inf"])
        if option.minimum is not None:
            found.append(str(option.minimum - 1))
        if option.maximum is not None:
            found.append(str(option.maximum + 1))
        return found
    if option.path:
        must = (option.source or name in MUST_EXIST) and name not in MADE
        missing = ["no/such/place"] * must
        return [*missing, "text.txt/inside", "bad\udcff"]
    return ["@?!", "9" * 30]


def run(module, words):
    """Runs a command in this process: (exit code, lines of errors, what it said, seconds)."""
    from tfdistill.command_line import cli

    lines, usual, begin = [], cli._tell, time.process_time()
    cli._tell = lines.append
    sys.argv = [f"tfdistill.{module.__name__}", *words]
    streams = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = said = io.StringIO()
    try:
        module.main()
        code = 0
    except SystemExit as end:
        code = end.code
    except TensorFlowWanted:
        code = ACCEPTED
    except BaseException as error:
        code = f"{type(error).__name__}: {error}"
    finally:
        cli._tell, (sys.stdout, sys.stderr) = usual, streams
    return code, lines, said.getvalue(), time.process_time() - begin


def main():
    """Walks through all flags."""
    from tfdistill.__main__ import COMMANDS
    from tfdistill.command_line.run_config import RunConfig
    from tfdistill.settings.settings import options_of, types_of

    write_files(Path(sys.argv[1]))
    os.chdir(sys.argv[1])
    sys.meta_path.insert(0, _Refuses())
    options, types, found = options_of(RunConfig), types_of(RunConfig), []
    for command in COMMANDS:
        module = importlib.import_module(f"tfdistill.{command}")
        for name in module.COMMAND.setting_names():
            for value in wrong_values(name, options[name], types[name]):
                words = [*BASES[command], f"--{name}={value}"]
                code, lines, said, seconds = run(module, words)
                named = f"--{name} changes nothing" in said
                case = [command, name, ascii(value)[1:-1], code, lines, named, round(seconds, 3)]
                found.append(case)
    assert "tensorflow" not in sys.modules
    print(json.dumps(found))


if __name__ == "__main__":
    main()
