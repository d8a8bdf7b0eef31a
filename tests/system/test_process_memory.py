import ctypes
import platform
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tfdistill.system import process_memory


def resident():
    return int(re.search(r"VmRSS:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other systems do it by themselves")
def test_memory_freed_in_pieces_is_returned():
    pieces = [np.ones(8000) for _ in range(4000)]  # 256 MB
    kept = pieces[::100]  # between the others
    del pieces
    before, patience = resident(), time.monotonic() + 30
    with process_memory.returned():
        while resident() > before - 200e6 and time.monotonic() < patience:
            time.sleep(0.05)
    assert resident() <= before - 200e6 and len(kept) == 40


def test_systems_without_malloc_trim(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    with process_memory.returned():
        pass


def test_an_error_passes_and_leaves_no_thread():
    before = threading.active_count()
    with pytest.raises(ValueError, match="no"), process_memory.returned():
        raise ValueError("no")
    assert threading.active_count() == before
