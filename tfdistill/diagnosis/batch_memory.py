"""How large a batch may be before the memory is full.

Two batches are trained for a few steps, each in a process of its own; memory grows by the row.

    python -m tfdistill.diagnosis.batch_memory WORKLOAD ROWS CHOICE

is such a process, CHOICE a `devices.Choice` as JSON: it prints the bytes of its peak. On CUDA it is
the card's memory that counts; on Metal, whose processes do not tell all that they hold, the steps
are computed by the CPU, from the same memory.
"""

import dataclasses
import json
import signal
import subprocess
import sys

from tfdistill.system import hardware

STEPS = 2
# At least 512 tokens: below, the vocabulary loss has no full chunk, and memory is not yet linear.
ROWS = {"mini": (128, 384), "BERT-base to 6 layers": (6, 12)}
SHARE = 0.75  # of the memory; the rest is for the rest of the machine


def largest_batch(name, choice):
    """The most rows that fit.

    Args:
        name: of one of the workloads in `ROWS`.
        choice: a `devices.Choice`.

    Returns:
        (rows, bytes of a batch with no rows, bytes per row).

    Raises:
        RuntimeError: a process failed, with its last words; or nobody tells a card's memory.
    """
    memory_bytes = hardware.memory_bytes()
    if choice.on_metal:
        choice = dataclasses.replace(choice, device="cpu")
    elif choice.device == "gpu":
        memory_bytes = hardware.cuda_memory_bytes()
        if not memory_bytes:
            raise RuntimeError("nvidia-smi does not tell the card's memory")
    few, many = ROWS[name]
    return fit((few, measure(name, few, choice)), (many, measure(name, many, choice)), memory_bytes)


def fit(small, large, memory_bytes):
    """The most rows that fit, from two batches.

    Args:
        small, large: (rows, bytes).
        memory_bytes: of the machine.

    Returns:
        As `largest_batch`.
    """
    per_row = max((large[1] - small[1]) / (large[0] - small[0]), 1.0)
    fixed = max(small[1] - small[0] * per_row, 0.0)
    return max(0, int((SHARE * memory_bytes - fixed) / per_row)), fixed, per_row


def measure(name, rows, choice):
    """Bytes that a process takes at most for a few steps: see `largest_batch`."""
    words = [name, str(rows), json.dumps(dataclasses.asdict(choice))]
    command = [sys.executable, "-m", "tfdistill.diagnosis.batch_memory", *words]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        last = (result.stderr.strip().splitlines() or [f"code {result.returncode}"])[-1]
        if result.returncode == -signal.SIGKILL:
            last = "killed, as the system does when memory is out"
        raise RuntimeError(f"{name} with {rows} rows: {last}")
    return int(result.stdout.split()[-1])


def main(name, rows, choice):
    """Trains, and prints the peak."""
    from tfdistill.system import devices

    choice = devices.Choice(**json.loads(choice))
    devices.prepare(choice.device, choice.precision)
    import tensorflow as tf

    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.diagnosis import workloads
    from tfdistill.diagnosis.training_check import Way, train

    (workload,) = (w for w in (workloads.MINI, workloads.BASE) if w.name == name)
    workload = dataclasses.replace(workload, rows=int(rows))
    train(workload, workloads.batches(workload, load_tokenizer()), Way("", choice), STEPS)
    peak = hardware.peak_memory_bytes()
    if choice.device == "gpu" and not choice.on_metal:
        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    print(peak)


if __name__ == "__main__":
    main(*sys.argv[1:])
