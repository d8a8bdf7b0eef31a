"""The parts of the doctor: facts of the machine, a training check, and the audits for Metal."""

import dataclasses
import json
import os
import textwrap

from tfdistill.system import devices, hardware
from tfdistill.system.errors import write_settings
from tfdistill.system.files import write_atomically

WIDTH = 100


def examine_machine(config, console):
    """Describes this machine and checks what a run would do on it.

    Args:
        config: a `RunConfig`; of its settings `device`, `precision`, `metal_audit` and
            `metal_kernels` count.
        console: a `Console`.

    Returns:
        (facts, ok): dict for JSON, and whether everything is as it should be.
    """
    facts = machine_facts()
    # Before anything that may fail: a broken installation is when these are needed.
    for name, value in [*facts["machine"].items(), *sorted(facts["versions"].items())]:
        console.say(f"{name:<18}{value}")
    choice = devices.prepare(config.device, config.precision)
    facts["choice"] = dataclasses.asdict(choice)
    console.say(_describe_choice(choice, config.precision))
    if not (config.metal_audit or config.metal_kernels):
        facts |= check_training(choice, console)
        return facts, facts["right"]
    if config.metal_audit:
        facts["audit"] = audit_train_steps(console)
    if config.metal_kernels:
        facts["kernels"] = write_kernels(config.metal_kernels, console)
    problems = [*facts.get("audit", {}).values(), *facts.get("kernels", {}).values()]
    return facts, not any(problems)


def machine_facts():
    """Describes the machine and the versions of the packages: dict for JSON."""
    found = hardware.this_platform()
    system = f"{found.system} {found.machine}" + (" under Rosetta" if found.translated else "")
    machine = {
        "system": system,
        "chip": hardware.chip() or "unknown",
        "cores": os.cpu_count(),
        "memory": f"{hardware.memory_bytes() / 1e9:.1f} GB",
    }
    return {"machine": machine, "versions": hardware.versions() | found.packages}


def _describe_choice(choice, precision):
    compiled = "steps compiled with XLA" if choice.jit_compile else "steps not compiled"
    text = f"{'computes on':<18}{choice.device} ({choice.reason}), {choice.precision}, {compiled}"
    if (choice.device, precision) == ("cpu", "auto") and hardware.has_bfloat16_units():
        text += f"\n{'':<18}a run compares that with bfloat16 first, and takes the faster one"
    return text


def check_training(choice, console):
    """Trains a small model in two ways, measures memory and gives a verdict.

    Args:
        choice: a `devices.Choice`.
        console: a `Console`.

    Returns:
        dict for JSON: "right", "verdict", "training", "comparison" and "largest_batch".
    """
    courses = _train_both_ways(choice, console)
    return judge_training(choice, courses, lambda: _measure_batches(choice, console), console)


def judge_training(choice, courses, measure_batches, console):
    """Compares trainings and gives a verdict on the machine.

    Args:
        choice: a `devices.Choice`.
        courses: dict of names to `training_check.Course`s, the reference first.
        measure_batches: function that returns the largest batches, a dict by workload.
        console: a `Console`.

    Returns:
        dict for JSON: see `check_training`.
    """
    from tfdistill.diagnosis import training_check, verdict

    comparison = None
    if len(courses) > 1:
        reference, chosen = courses.values()
        comparison = training_check.compare(reference, chosen, choice.precision)
    console.say(verdict.format_courses(courses, comparison))
    largest = measure_batches()
    right, text = verdict.verdict(choice, courses, comparison, largest)
    console.say("\n" + textwrap.fill(f"verdict: {text}", WIDTH, subsequent_indent="    "))
    return {
        "right": right,
        "verdict": write_settings(text),
        "training": {name: dataclasses.asdict(course) for name, course in courses.items()},
        "comparison": comparison and dataclasses.asdict(comparison),
        "largest_batch": {name: rows for name, (rows, *_) in largest.items()},
    }


def _train_both_ways(choice, console):
    """Trains as chosen and by plain steps on the CPU: dict of names to `Course`s."""
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.diagnosis import training_check, workloads

    mini = workloads.MINI
    if choice.on_metal:
        mini = workloads.without_draws(mini)
    batches = workloads.batches(mini, load_tokenizer())
    steps, courses = training_check.STEPS, {}
    console.say(f"\ntraining check: {steps} steps of {mini.name}")
    for way in training_check.ways(choice):
        line = console.progress(way.name, steps)
        line.note("compiling the step")
        courses[way.name] = training_check.train(mini, batches, way, steps, line)
    return courses


def _measure_batches(choice, console):
    """Finds the largest batch of each workload that fits the memory: dict by workload."""
    from tfdistill.diagnosis import batch_memory, verdict

    console.say("\nlargest batch that fits the memory")
    largest = {}
    for name in batch_memory.ROWS:
        try:
            largest[name] = batch_memory.largest_batch(name, choice)
            console.say(verdict.format_batch(name, *largest[name]))
        except RuntimeError as error:
            console.say(f"{name:<24}not measured: {error}")
    return largest


def audit_train_steps(console, names=None, kernels=None):
    """Searches train steps for operators that Metal lacks.

    Args:
        console: a `Console`.
        names: names of train steps; None: those of all recipes.
        kernels: the kernels that Metal has; None: those of the bundled inventory.

    Returns:
        dict of train steps to lists of findings, for JSON.
    """
    from tfdistill.diagnosis import label_steps, metal_audit, train_steps

    kernels = kernels or metal_audit.load_inventory()
    audit = {}
    console.say(f"\n{'train step':<56}{'operators':>10}{'heavy':>8}  without a Metal kernel")
    of_labels = label_steps.names()
    for name in names or (*train_steps.names(), *of_labels):
        if name in of_labels:
            graph = label_steps.graph(name)
        else:
            graph = train_steps.trace(name, train_steps.build(name))
        findings = metal_audit.audit(graph, kernels)
        every, heavy = metal_audit.count(graph)
        wrong = f"{sum(finding.count for finding in findings)}" if findings else "none"
        console.say(f"{name:<56}{every:>10,}{heavy:>8,}  {wrong}")
        if findings:
            console.say(metal_audit.format_findings(findings))
        audit[name] = [dataclasses.asdict(finding) for finding in findings]
    return audit


def write_kernels(path, console):
    """Writes the registered kernels to a file and compares them with the bundled inventory.

    Args:
        path: the file.
        console: a `Console`.

    Returns:
        dict of groups of the inventory to the kernels that are not registered.
    """
    from tfdistill.diagnosis import metal_audit, registered_kernels

    found = registered_kernels.registered()
    write_atomically(path, json.dumps(found, indent=1) + "\n")
    console.say(f"{path}: {', '.join(f'{len(v)} operators for {k}' for k, v in found.items())}")
    bundled = json.loads(metal_audit.INVENTORY.read_text())
    groups = ["DEFAULT"]
    if "tensorflow-metal" in hardware.this_platform().packages:
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
