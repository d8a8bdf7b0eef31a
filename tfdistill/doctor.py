"""What this machine has, what was chosen on it and why: what belongs into a bug report.

    python -m tfdistill.doctor
    python -m tfdistill.doctor --metal_audit

With --metal_audit, the train steps of all recipes are looked through for operators that Apple's
Metal plugin lacks; this works on every machine, and ends with code 1 when something is found. With
--json: {"platform", "versions", "choice", "audit": {step: [findings]}}.
"""

import dataclasses
import json
import os
import sys

from tfdistill import cli, devices


def main():
    """Runs the command."""
    cli.run(_doctor, __doc__, ["--device", "--metal_audit", "--json"])


def _doctor(config):
    choice = devices.prepare(config.device)
    found = devices.this_platform()
    facts = {
        "platform": {"system": found.system, "machine": found.machine, "cores": os.cpu_count()},
        "versions": devices.versions() | found.packages,
        "choice": dataclasses.asdict(choice),
    }
    out = sys.stderr if config.json else sys.stdout
    print(_table(facts), file=out)
    if config.metal_audit:
        facts["audit"] = _audit(out)
    if config.json:
        print(json.dumps(facts))
    return int(any(facts.get("audit", {}).values()))


def _table(facts):
    """The facts for people."""
    rows = list(facts["platform"].items()) + sorted(facts["versions"].items())
    choice = facts["choice"]
    compiled = "steps compiled with XLA" if choice["jit_compile"] else "steps not compiled"
    lines = [f"{name:<18}{value}" for name, value in rows]
    lines.append(f"{'computes on':<18}{choice['device']} ({choice['reason']}), {compiled}")
    return "\n".join(lines)


def _audit(out):
    """Prints what is wrong on Metal in each train step; returns it as dicts."""
    from tfdistill.diagnosis import metal_audit, train_steps

    kernels = metal_audit.load_inventory()
    audit = {}
    for name in train_steps.names():
        findings = metal_audit.audit(train_steps.trace(train_steps.build(name)), kernels)
        print(f"\n{name}: {'clean' if not findings else ''}", file=out, flush=True)
        if findings:
            print(metal_audit.format_findings(findings), file=out)
        audit[name] = [dataclasses.asdict(finding) for finding in findings]
    return audit


if __name__ == "__main__":
    main()
