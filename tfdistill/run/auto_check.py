"""Checks that Metal, or bfloat16 on a CPU, is correct and faster here, before "auto" takes it.

The comparison runs in a process of its own (`command_line.auto_check`), because a GPU driver may
crash. The result is stored for this machine, these versions and this model size.
"""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tfdistill import tasks
from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.recipes.recipe_file import fingerprint
from tfdistill.run.sources import model_source, teacher_names
from tfdistill.settings.flagfile import flag_lines
from tfdistill.settings.settings import options_of
from tfdistill.system import hardware, strict_json
from tfdistill.system.files import write_atomically
from tfdistill.system.options import SPEED, STEP
from tfdistill.system.paths import cache_folder

PATIENCE = 3600.0  # seconds; the check takes minutes unless the device hangs


def problem(config, console, candidate, machine=None, check=None):
    """Returns the reason why a run should not use a device and precision.

    Args:
        config: a `RunConfig`.
        console: a `Console`; a line announces a check, which takes minutes.
        candidate: a `devices.Choice`: Metal, or bfloat16 on the CPU.
        machine: dict of the facts that a stored result depends on; None: `machine_facts()`.
        check: function of the check's command, as `run_check`; None: `run_check`.

    Returns:
        A few words; "" if the candidate is correct and not slower than float32 on the CPU.
    """
    labelled = tasks.get(config.task).kind is not None
    if config.task != type(config).task and not labelled:
        return "it is compared for masked_lm and tasks with labels only"
    config = dataclasses.replace(config, device=candidate.device, precision=candidate.precision)
    name = "Metal" if candidate.on_metal else candidate.precision
    without = "`device`=cpu" if candidate.on_metal else "`precision`=float32"
    facts = (machine or machine_facts()) | {
        "flags": _decisive(config),
        "recipe": fingerprint(config.recipe),
    }
    if labelled:
        facts["task"] = config.task
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    file = cache_folder() / f"{name.lower()}-{key}.json"
    if file.is_file():
        return strict_json.read_object(file, {}, "delete it").get("problem")
    console.say(
        f"comparing {name} with float32 on the CPU: some minutes, once for this machine and model "
        f"size; {without} starts without it"
    )
    command = [sys.executable, "-m", "tfdistill.command_line.auto_check", *flag_lines(config)]
    found, finished = (check or run_check)(command)
    if finished:  # a crash may have a passing cause
        write_atomically(file, json.dumps({"problem": found, **facts}, indent=1) + "\n")
    return found


def _decisive(config):
    """The settings that decide how fast and precise a step is, with shapes in place of folders."""
    options = options_of(config).items()
    values = {
        name: getattr(config, name) for name, option in options if option.effect in (STEP, SPEED)
    }
    student = [model_source(config.student)] if config.student else []
    return values | {
        "teacher": list(map(_shape, teacher_names(config))),
        "student": list(map(_shape, student)),
    }


def _shape(name):
    """The sizes of the model in a folder, a dict; else the name itself."""
    file = Path(name) / CONFIG
    return dataclasses.asdict(config_of(read_json(file), file)) if file.is_file() else name


def machine_facts():
    """Returns what decides, beside the settings, how fast and how precise steps are: a dict."""
    return {
        "chip": hardware.chip(),
        "cores": os.cpu_count(),
        "memory_bytes": hardware.memory_bytes(),
        "versions": hardware.versions() | hardware.this_platform().packages,
    }


def run_check(command, patience=PATIENCE):
    """Runs a check in a process of its own.

    Args:
        command: list of words; the process prints {"problem": …} as its last line.
        patience: seconds after which the device is taken to hang.

    Returns:
        (problem, finished): a few words, "" for no problem; and False after a crash.
    """
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        return f"its check did not end in {patience / 60:.0f} minutes", True
    if result.returncode:
        last = (result.stderr.strip().splitlines() or [""])[-1]
        return f"its check ended with code {result.returncode}. {last}".strip(), False
    return json.loads(result.stdout.splitlines()[-1])["problem"], True
