"""Measures the largest batch that fits the memory.

Two batches are trained for a few steps, each in its own process, and the memory per row is the
difference of their peaks per row. A process of this kind is

    python -m tfdistill.diagnosis.batch_memory WORKLOAD ROWS CHOICE

with a `devices.Choice` as JSON; it prints the peak in bytes. On CUDA the memory of the card counts.
Metal shares the main memory, but its processes do not report all that they use, so that the steps
run on the CPU there.
"""

import dataclasses
import json
import signal
import subprocess
import sys

from tfdistill.system import hardware

STEPS = 2
# At least 512 tokens each: with fewer, the vocabulary loss has no full chunk, and memory is not yet
# linear in the number of rows.
ROWS = {"mini": (128, 384), "BERT-base to 6 layers": (6, 12)}
SHARE = 0.75  # of the memory; the rest stays free for other processes


def largest_batch(name, choice):
    """Measures the largest batch of a workload.

    Args:
        name: name of a workload in `ROWS`.
        choice: a `devices.Choice`.

    Returns:
        (rows, bytes without any rows, bytes per row).

    Raises:
        RuntimeError: a process failed; the message has the last line of its error output. Or the
            memory of the card is unknown.
    """
    choice, memory_bytes = device_memory(choice)
    few, many = ROWS[name]
    return fit((few, measure(name, few, choice)), (many, measure(name, many, choice)), memory_bytes)


def device_memory(choice):
    """The memory that batches must fit in.

    Args:
        choice: a `devices.Choice`.

    Returns:
        (the `Choice` to measure with, bytes).

    Raises:
        RuntimeError: the memory of the card is unknown.
    """
    if choice.on_metal:
        choice = dataclasses.replace(choice, device="cpu")
    if choice.device == "cpu":
        return choice, hardware.memory_bytes()
    memory_bytes = hardware.cuda_memory_bytes()
    if not memory_bytes:
        raise RuntimeError("nvidia-smi does not report the card's memory")
    return choice, memory_bytes


def fit(small, large, memory_bytes):
    """Extrapolates two measured batches to the largest one that fits.

    Args:
        small, large: (rows, bytes).
        memory_bytes: memory of the device.

    Returns:
        As `largest_batch`.
    """
    per_row = max((large[1] - small[1]) / (large[0] - small[0]), 1.0)
    fixed = max(small[1] - small[0] * per_row, 0.0)
    return max(0, int((SHARE * memory_bytes - fixed) / per_row)), fixed, per_row


def measure(name, rows, choice):
    """Measures the peak memory of a few steps in a process.

    Args:
        name: name of a workload in `ROWS`.
        rows: rows in a batch.
        choice: a `devices.Choice`.

    Returns:
        int, bytes.

    Raises:
        RuntimeError: as `largest_batch`.
    """
    arguments = [name, str(rows), json.dumps(dataclasses.asdict(choice))]
    command = [sys.executable, "-m", "tfdistill.diagnosis.batch_memory", *arguments]
    try:
        return int(run_to_end(command))
    except RuntimeError as error:
        raise RuntimeError(f"{name} with {rows} rows: {error}") from error


def run_to_end(command):
    """Runs a command.

    Args:
        command: list of str.

    Returns:
        str, the last word of its output.

    Raises:
        RuntimeError: it failed; the message is the last line of its error output.
    """
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode == -signal.SIGKILL:
        raise RuntimeError("killed, probably because the memory was full")
    if result.returncode:
        lines = result.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"exit code {result.returncode}")
    return result.stdout.split()[-1]


def main(name, rows, choice):
    """Trains for a few steps and prints the peak memory in bytes."""
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
