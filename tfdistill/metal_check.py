"""Whether Metal computes right on this Mac, and faster than its CPU: asked before "auto" takes it.

    python -m tfdistill.metal_check --flagfile=configs/mini.flags

asks for the run that the flags describe, and prints the answer as one JSON object. Commands start
it as a process of its own, which may crash where they must not, and keep the answer.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tfdistill import cli, devices, flags, hardware
from tfdistill.files import write_atomically

SPEED_STEPS = 6
PATIENCE = 3600.0  # seconds: of what takes minutes, unless the device hangs
# Flags that decide what a step computes.
SHAPES = (
    "teacher tokenizer teacher_config student_type student_config recipe alpha_ce alpha_mlm "
    "alpha_cos alpha_mse restrict_ce_to_mask length batch_size precision"
).split()


def problem(config, console):
    """Why a run should not use Metal.

    Args:
        config: a `RunConfig`.
        console: a `Console`, which is told when it takes time.

    Returns:
        A few words; "" when Metal is right and not slower than the CPU.
    """
    facts = {
        "chip": hardware.chip(),
        "memory_bytes": hardware.memory_bytes(),
        "versions": hardware.versions() | hardware.this_platform().packages,
        "flags": {name: getattr(config, name) for name in SHAPES},
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    file = _cache() / f"metal-{key}.json"
    if file.is_file():
        return json.loads(file.read_text())["problem"]
    console.say("comparing Metal with the CPU: a few minutes, once for this machine and model size")
    found, answered = _ask(config)
    if answered:  # else it crashed, perhaps for reasons that pass
        write_atomically(file, json.dumps({"problem": found, **facts}, indent=1) + "\n")
    return found


def _cache():
    """Folder of what was found out about this machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfdistill"


def _ask(config):
    """Runs the check: (problem, whether it came to its end)."""
    command = [sys.executable, "-m", "tfdistill.metal_check", *flags.flag_lines(config)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"its check did not end in {PATIENCE / 60:.0f} minutes", True
    if result.returncode:
        last = (result.stderr.strip().splitlines() or [""])[-1]
        return f"its check ended with code {result.returncode}. {last}".strip(), False
    return json.loads(result.stdout.splitlines()[-1])["problem"], True


def main():
    """Runs the command."""
    cli.run(_check, __doc__, [flags.CORPUS, flags.TEACHER, flags.STUDENT, flags.OPTIMIZER])


def _check(config):
    choice = devices.prepare("gpu", config.precision)
    from tfdistill import plan, recipes
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.diagnosis import workloads
    from tfdistill.diagnosis.training_check import STEPS, compare, train, ways
    from tfdistill.models.checkpoint import load_model

    tokenizer = load_tokenizer(plan.tokenizer_source(config))
    teacher = load_model(config.teacher) if config.teacher else None
    recipe = recipes.get(config.recipe, **vars(config))
    run = workloads.of_run(config, plan.make_plan(config, recipe, teacher, tokenizer))
    trials = (workloads.MINI, load_tokenizer(), STEPS), (run, tokenizer, SPEED_STEPS)
    for workload, its_tokenizer, steps in trials:
        batches = workloads.batches(workload, its_tokenizer)
        cpu, metal = (train(workload, batches, way, steps) for way in ways(choice))
        wrong = compare(cpu, metal, choice.precision).problem
        if wrong:
            break
    if not wrong and metal.tokens_per_second < cpu.tokens_per_second:
        wrong = (
            f"the CPU is faster at this size, {cpu.tokens_per_second:,.0f} tokens/s against "
            f"{metal.tokens_per_second:,.0f}"
        )
    print(json.dumps({"problem": wrong}))


if __name__ == "__main__":
    main()
