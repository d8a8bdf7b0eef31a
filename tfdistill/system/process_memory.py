"""Memory that is freed: kept from one step to the next, given back while a program is compiled."""

import contextlib
import ctypes
import threading

from tfdistill.system import hardware

EVERY = 0.1  # seconds


def environment(found):
    """Environment variables by which TensorFlow keeps its tensors' memory on Linux's CPUs.

    By default every step gives its buffers back to the system and takes them again, page by page: a
    quarter of the time of a small model's step. glibc's malloc can be made to keep them, but lays
    the same large buffer down elsewhere from time to time, beside its old place: its aligned blocks
    ask for a few bytes more than they leave behind. TensorFlow's own allocator does not.

    Args:
        found: a `hardware.Platform`.

    Returns:
        A dict of strings, which TensorFlow reads when it makes its first tensor.
    """
    if found.system != "Linux" or hardware.has_nvidia_driver():  # tensors are on the card
        return {}
    limit = str(hardware.memory_bytes() // 2**20)  # 64 GB, if nothing is said
    return {"TF_CPU_ALLOCATOR_USE_BFC": "1", "TF_CPU_BFC_MEM_LIMIT_IN_MB": limit}


@contextlib.contextmanager
def returned():
    """Gives what is freed meanwhile back to the system, where that takes a call (glibc).

    XLA's compiler frees a quarter of a gigabyte in small pieces, which malloc would keep while the
    first step takes its buffers beside them: the peak of the whole run.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        yield
        return
    trim.argtypes = [ctypes.c_size_t]
    done = threading.Event()

    def keep_trimming():
        while not done.wait(EVERY):
            trim(0)

    thread = threading.Thread(target=keep_trimming, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
