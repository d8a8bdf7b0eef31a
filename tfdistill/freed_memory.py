"""Memory that was freed goes back to the system while a program is compiled."""

import contextlib
import ctypes
import threading

EVERY = 0.1  # seconds


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
