"""What this machine has and can do, what was chosen on it and why: what belongs into a bug report.

    python -m tfdistill.doctor
    python -m tfdistill.doctor --metal-audit

Without further flags a small model is trained for 50 steps as chosen and, beside it, by plain steps
on the CPU; then batches are tried for the memory they take: a few minutes. --metal-audit looks
through the train steps of all recipes for operators that Apple's Metal plugin lacks, and
--metal-kernels=FILE writes what the installed plugin registers; both work on every machine, and
stand for the rest. The exit code is 1 when something is wrong.
"""

import dataclasses
import json
import os
import textwrap

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.settings.tools import Doctor
from tfdistill.system import devices, hardware
from tfdistill.system.files import write_atomically
from tfdistill.system.paths import require_file

WIDTH = 100
COMMAND = Command(
    __doc__,
    ("device", "precision", Doctor, "json"),
    help={
        "device": "What to examine: auto (CUDA, then Metal, then the CPU), cpu or gpu.",
        "precision": "Precision of matrix products in training: auto (bfloat16 on CUDA cards with "
        "units for it, else float32), float32, bfloat16 or float16 (with a loss scale).",
    },
)


def main():
    """Runs the command."""
    COMMAND.run(_doctor)


def _doctor(config):
    if config.metal_kernels:
        require_file("metal_kernels", config.metal_kernels)
    console = Console(json=config.json)
    facts = _facts()
    # Before what may fail: a broken installation is when these are needed.
    for name, value in [*facts["machine"].items(), *sorted(facts["versions"].items())]:
        console.say(f"{name:<18}{value}")
    choice = devices.prepare(config.device, config.precision)
    facts["choice"] = dataclasses.asdict(choice)
    compiled = "steps compiled with XLA" if choice.jit_compile else "steps not compiled"
    console.say(
        f"{'computes on':<18}{choice.device} ({choice.reason}), {choice.precision}, {compiled}"
    )
    if (choice.device, config.precision) == ("cpu", "auto") and hardware.has_bfloat16_units():
        console.say(f"{'':<18}a run compares that with bfloat16 first, and takes what is faster")
    if config.metal_audit or config.metal_kernels:
        wrong = False
        if config.metal_audit:
            facts["audit"] = _audit(console)
            wrong = any(facts["audit"].values())
        if config.metal_kernels:
            facts["kernels"] = _kernels(config.metal_kernels, console)
            wrong = wrong or any(facts["kernels"].values())
    else:
        facts |= _examine(choice, console)
        wrong = not facts["right"]
    if config.json:
        print(json.dumps(facts))
    return int(wrong)


def _facts():
    found = hardware.this_platform()
    system = f"{found.system} {found.machine}" + (" under Rosetta" if found.translated else "")
    machine = {
        "system": system,
        "chip": hardware.chip() or "unknown",
        "cores": os.cpu_count(),
        "memory": f"{hardware.memory_bytes() / 1e9:.1f} GB",
    }
    return {"machine": machine, "versions": hardware.versions() | found.packages}


def _audit(console):
    """Says what is wrong on Metal in each train step; returns it as dicts."""
    from tfdistill.diagnosis import metal_audit, train_steps

    kernels = metal_audit.load_inventory()
    audit = {}
    console.say(f"\n{'train step':<56}{'operators':>10}{'heavy':>8}  without a Metal kernel")
    for name in train_steps.names():
        graph = train_steps.trace(name, train_steps.build(name))
        findings = metal_audit.audit(graph, kernels)
        every, heavy = metal_audit.count(graph)
        wrong = f"{sum(finding.count for finding in findings)}" if findings else "none"
        console.say(f"{name:<56}{every:>10,}{heavy:>8,}  {wrong}")
        if findings:
            console.say(metal_audit.format_findings(findings))
        audit[name] = [dataclasses.asdict(finding) for finding in findings]
    return audit


def _kernels(path, console):
    """Writes the registered kernels to a file; returns those of the inventory that are not."""
    from tfdistill.diagnosis import metal_audit, registered_kernels

    found = registered_kernels.registered()
    write_atomically(path, json.dumps(found, indent=1) + "\n")
    console.say(f"{path}: {', '.join(f'{len(v)} operators for {k}' for k, v in found.items())}")
    bundled = json.loads(metal_audit.INVENTORY.read_text())
    packages = hardware.this_platform().packages
    groups = ["DEFAULT"]
    if "tensorflow-metal" in packages:
        groups.append("GPU")
    else:
        console.say("no tensorflow-metal here: only TensorFlow's own kernels can be compared")
    lacking = {}
    for group in groups:
        lacking[group] = registered_kernels.missing(bundled[group], found[group])
        console.say(f"{group}: {len(lacking[group])} of the bundled inventory are not registered")
        for text in lacking[group]:
            console.say(f"    {text}")
    return lacking


def _examine(choice, console):
    """Trains, measures memory and gives a verdict; returns the facts."""
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.diagnosis import batch_memory, training_check, verdict, workloads

    mini = workloads.MINI
    if choice.on_metal:
        mini = workloads.without_draws(mini)
    batches = workloads.batches(mini, load_tokenizer())
    ways = training_check.ways(choice)
    courses = {}
    steps = training_check.STEPS
    console.say(f"\ntraining check: {steps} steps of {mini.name}")
    for way in ways:
        line = console.progress(way.name, steps)
        line.note("compiling the step")
        courses[way.name] = training_check.train(mini, batches, way, steps, line)
    comparison = None
    if len(ways) > 1:
        reference, chosen = courses.values()
        comparison = training_check.compare(reference, chosen, choice.precision)
    console.say(verdict.format_courses(courses, comparison))
    console.say("\nlargest batch that fits the memory")
    largest = {}
    for name in batch_memory.ROWS:
        try:
            largest[name] = batch_memory.largest_batch(name, choice)
            console.say(verdict.format_batch(name, *largest[name]))
        except RuntimeError as error:
            console.say(f"{name:<24}not measured: {error}")
    right, text = verdict.verdict(choice, courses, comparison, largest)
    console.say("\n" + textwrap.fill(f"verdict: {text}", WIDTH, subsequent_indent="    "))
    return {
        "right": right,
        "verdict": text,
        "training": {name: dataclasses.asdict(course) for name, course in courses.items()},
        "comparison": comparison and dataclasses.asdict(comparison),
        "largest_batch": {name: rows for name, (rows, *_) in largest.items()},
    }


if __name__ == "__main__":
    main()
