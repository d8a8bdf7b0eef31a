"""What this machine has, what was chosen on it and why: what belongs into a bug report.

    python -m tfdistill.doctor
    python -m tfdistill.doctor --metal-audit

With --metal-audit, the train steps of all recipes are looked through for operators that Apple's
Metal plugin lacks; this works on every machine, and ends with code 1 when something is found. With
--json: {"platform", "versions", "choice", "audit": {step: [findings]}}.
"""

import dataclasses
import json
import os
import sys

from tfdistill import cli, devices, flags


def main():
    """Runs the command."""
    cli.run(_doctor, __doc__, ["--device", flags.DOCTOR, "--json"])


def _doctor(config):
    found = devices.this_platform()
    facts = {
        "platform": {"system": found.system, "machine": found.machine, "cores": os.cpu_count()},
        "versions": hardware.versions() | found.packages,
    }
    out = sys.stderr if config.json else sys.stdout
    # Before what may fail: a broken installation is when these are needed.
    for name, value in [*facts["platform"].items(), *sorted(facts["versions"].items())]:
        print(f"{name:<18}{value}", file=out, flush=True)
    choice = devices.prepare(config.device)
    facts["choice"] = dataclasses.asdict(choice)
    compiled = "steps compiled with XLA" if choice.jit_compile else "steps not compiled"
    print(f"{'computes on':<18}{choice.device} ({choice.reason}), {compiled}", file=out)
    if config.metal_audit:
        facts["audit"] = _audit(out)
    if config.json:
        print(json.dumps(facts))
    return int(any(facts.get("audit", {}).values()))


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
