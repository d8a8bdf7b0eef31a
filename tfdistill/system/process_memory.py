"""Freed memory: kept between training steps, returned to the system during compilation."""

import contextlib
import ctypes
import threading

EVERY = 0.1  # seconds


def environment(found):
    """Returns environment variables with which TensorFlow keeps memory of tensors on Linux CPUs.

    By default every step returns its buffers to the system and requests them again, page by page: a
    quarter of the time of a small model's step. glibc's malloc can be configured to keep them, but
    then it sometimes places the same large buffer next to its old place, because aligned blocks
    need a few bytes more than they free. TensorFlow's own allocator does not.

    Args:
        found: a `hardware.Platform`.

    Returns:
        A dict of strings. TensorFlow reads them when it makes its first tensor.
    """
    if found.system != "Linux" or found.nvidia_driver:  # tensors are on the card
        return {}
    limit = str(found.memory_bytes // 2**20)  # the default is 64 GB
    return {"TF_CPU_ALLOCATOR_USE_BFC": "1", "TF_CPU_BFC_MEM_LIMIT_IN_MB": limit}


@contextlib.contextmanager
def returned():
    """Returns memory that is freed inside to the system, with glibc's malloc_trim.

    XLA's compiler frees a quarter of a gigabyte in small pieces. malloc would keep them while the
    first step allocates its buffers, which would be the peak of the whole run.
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
