"""Describes this machine, the device and precision chosen for it, and whether training works on it.

    python -m tfdistill.doctor

It trains a small model for 50 steps as chosen and, for comparison, by plain steps on the CPU; then
it measures the largest batches that fit the memory. That takes a few minutes. Include the output in
a bug report.

--metal-audit searches the train steps of all recipes for operators that Apple's Metal plugin lacks;
--metal-kernels=FILE writes the kernels that the installed plugin registers. Both work on every
machine and replace the training check. The exit code is 1 if something is wrong.
"""

import json

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.diagnosis.examination import examine_machine
from tfdistill.settings.tools import Doctor
from tfdistill.system.paths import require_file

COMMAND = Command(
    __doc__,
    ("device", "precision", Doctor, "json"),
    help={
        "device": "Device to examine: auto (CUDA, then Metal, then the CPU), cpu or gpu.",
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
    facts, ok = examine_machine(config, Console(json=config.json))
    if config.json:
        print(json.dumps(facts))
    return int(not ok)


if __name__ == "__main__":
    main()
