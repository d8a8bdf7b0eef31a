"""Whether a training step that is traced will be compiled by XLA for a CPU.

XLA's code for CPUs is slow for some operators, which layers then write in another way.
"""

import contextlib
import contextvars

import tensorflow as tf

_for_cpu = contextvars.ContextVar("for_cpu", default=False)


@contextlib.contextmanager
def compiled_for_cpu(compiled):
    """Context in which a training step is traced.

    Args:
        compiled: bool, whether XLA compiles the step; without effect where there is a GPU.
    """
    token = _for_cpu.set(compiled and not tf.config.list_logical_devices("GPU"))
    try:
        yield
    finally:
        _for_cpu.reset(token)


def is_compiled_for_cpu():
    """Whether the code that is traced becomes part of a step that XLA compiles for a CPU."""
    return _for_cpu.get()
