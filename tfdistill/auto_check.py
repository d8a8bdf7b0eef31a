"""Whether Metal, or bfloat16 on a CPU, is right and faster here: asked before "auto" takes it.

    python -m tfdistill.auto_check --flagfile=mini --device=cpu --precision=bfloat16

compares it, for the run that the flags describe, with float32 on the CPU, and prints the answer as
one JSON object. Commands start it as a process of its own, which may crash where they must not, and
keep the answer.
"""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tfdistill import cli, devices, flags, hardware
from tfdistill.files import write_atomically
from tfdistill.recipe_file import fingerprint, require_on_command_line

SPEED_STEPS = 6
WORTH_ROUNDING = 1.1  # times as fast: of a smaller gain half may be chance
PATIENCE = 3600.0  # seconds: of what takes minutes, unless the device hangs
# Flags that decide what a step computes.
SHAPES = (
    "teacher tokenizer teacher_type teacher_config student_type student_config recipe alpha_ce "
    "alpha_mlm alpha_cos alpha_mse alpha_attention alpha_hidden alpha_embedding alpha_relations "
    "alpha beta restrict_ce_to_mask then layer_map projection relation_heads relation_layer "
    "pt_over_width alpha_feature_map alpha_feature_mean alpha_feature_variance schedules length "
    "batch_size remat dropout precision"
).split()


def problem(config, console, candidate):
    """Why a run should not use what "auto" could take.

    Args:
        config: a `RunConfig`.
        console: a `Console`, which is told when it takes time.
        candidate: a `devices.Choice`: Metal, or bfloat16 on the CPU.

    Returns:
        A few words; "" when it is right and not slower than float32 on the CPU.
    """
    config = dataclasses.replace(config, device=candidate.device, precision=candidate.precision)
    name = "Metal" if candidate.on_metal else candidate.precision
    facts = {
        "chip": hardware.chip(),
        "cores": os.cpu_count(),
        "memory_bytes": hardware.memory_bytes(),
        "versions": hardware.versions() | hardware.this_platform().packages,
        "flags": {flag: getattr(config, flag) for flag in SHAPES},
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
    if answered:  # else it crashed, perhaps for reasons that pass
        write_atomically(file, json.dumps({"problem": found, **facts}, indent=1) + "\n")
    return found


def _cache():
    """Folder of what was found out about this machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfdistill"


def _ask(config):
    """Runs the check: (problem, whether it came to its end)."""
    command = [sys.executable, "-m", "tfdistill.auto_check", *flags.flag_lines(config)]
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
    require_on_command_line(config.recipe)
    choice = devices.prepare(config.device, config.precision)
    from tfdistill import plan, recipes, sources
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.diagnosis import workloads
    from tfdistill.diagnosis.training_check import STEPS, Way, compare, train, ways
    from tfdistill.models.checkpoint import load_model

    names = sources.teacher_names(config)[:1]
    tokenizer = load_tokenizer(sources.tokenizer_source(config, names))
    teachers = [load_model(name) for name in names]
    # Of several, the time goes to the first as well; the others are like it.
    config = dataclasses.replace(config, teacher_weights="")
    recipe = recipes.get(config.recipe, **vars(config))
    run = workloads.of_run(config, plan.make_plan(config, recipe, teachers, tokenizer))
    candidate = ways(choice)[-1]
    instead = Way("cpu", devices.choose(hardware.this_platform(), [], "cpu", "float32"))
    trials = [(run, tokenizer, SPEED_STEPS), (workloads.MINI, load_tokenizer(), STEPS)]
    if choice.on_metal:  # whether it is right is the question there; elsewhere, whether it pays
        trials = [(workloads.without_draws(each), *rest) for each, *rest in reversed(trials)]
    for workload, its_tokenizer, steps in trials:
        batches = workloads.batches(workload, its_tokenizer)
        usual, other = (train(workload, batches, w, steps) for w in (instead, candidate))
        wrong = compare(usual, other, choice.precision).problem
        if not wrong and steps == SPEED_STEPS:
            wrong = _too_slow(choice, usual.tokens_per_second, other.tokens_per_second)
        if wrong:
            break
    print(json.dumps({"problem": wrong}))


def _too_slow(choice, usual, other):
    """Why a pace in tokens/s does not make up for leaving the usual one; "" when it does."""
    against = f"at this size, {other:,.0f} tokens/s against {usual:,.0f}"
    if choice.on_metal:
        return "" if other >= usual else f"slower than the CPU {against}"
    return "" if other >= WORTH_ROUNDING * usual else f"not clearly faster than float32 {against}"


if __name__ == "__main__":
    main()
