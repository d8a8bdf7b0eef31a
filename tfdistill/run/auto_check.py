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

from tfdistill.recipes.recipe_file import fingerprint
from tfdistill.settings.flagfile import flag_lines
from tfdistill.settings.settings import options_of
from tfdistill.system import hardware
from tfdistill.system.files import write_atomically
from tfdistill.system.options import SPEED, STEP

PATIENCE = 3600.0  # seconds; the check takes minutes unless the device hangs


def problem(config, console, candidate):
    """Returns the reason why a run should not use a device and precision.

    Args:
        config: a `RunConfig`.
        console: a `Console`; a line announces a check, which takes minutes.
        candidate: a `devices.Choice`: Metal, or bfloat16 on the CPU.

    Returns:
        A few words; "" if the candidate is correct and not slower than float32 on the CPU.
    """
    config = dataclasses.replace(config, device=candidate.device, precision=candidate.precision)
    name = "Metal" if candidate.on_metal else candidate.precision
    facts = {
        "chip": hardware.chip(),
        "cores": os.cpu_count(),
        "memory_bytes": hardware.memory_bytes(),
        "versions": hardware.versions() | hardware.this_platform().packages,
        "flags": {
            name: getattr(config, name)
            for name, option in options_of(config).items()
            if option.effect in (STEP, SPEED)
        },
        "recipe": fingerprint(config.recipe),
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    file = _cache() / f"{name.lower()}-{key}.json"
    if file.is_file():
        return json.loads(file.read_text())["problem"]
    console.say(
        f"comparing {name} with float32 on the CPU: some minutes, once for this machine and model "
        "size"
    )
    found, answered = _ask(config)
    if answered:  # a crash may have a passing cause
        write_atomically(file, json.dumps({"problem": found, **facts}, indent=1) + "\n")
    return found


def _cache():
    """Folder of the stored results."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfdistill"


def _ask(config):
    """Runs the check: (problem, whether the result is to be stored)."""
    command = [sys.executable, "-m", "tfdistill.command_line.auto_check", *flag_lines(config)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"its check did not end in {PATIENCE / 60:.0f} minutes", True
    if result.returncode:
        last = (result.stderr.strip().splitlines() or [""])[-1]
        return f"its check ended with code {result.returncode}. {last}".strip(), False
    return json.loads(result.stdout.splitlines()[-1])["problem"], True
