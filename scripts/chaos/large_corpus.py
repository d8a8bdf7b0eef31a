"""A large corpus is prepared in the memory of a small one.

The bundled text is repeated with numbers, so that no two lines are equal, to 0.1 and to 2 GB. The
command `prepare` makes shards of both, each in a process of its own; its peak of resident memory is
read from /proc (Linux only). Takes 4 GB of disk, which are free again afterwards.
"""

import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
import tiny  # noqa: E402
from promise import check_promise  # noqa: E402

SMALL, LARGE = 0.1e9, 2e9  # bytes
FILE = 100_000_000  # bytes of a file of the corpus
GROWTH = 0.3e9  # bytes by which the peak may grow: the page cache of the map counts as resident
QUICK_RATE = 0.5e6  # bytes in a second, for a corpus that fits --minutes


def check(state):
    """Prepares both; returns their peaks and times."""
    large = LARGE
    if state.minutes is not None:
        large = min(LARGE, max(3 * SMALL, 60 * state.minutes * QUICK_RATE))
    told, peaks = [], []
    for size in (SMALL, large):
        corpus = state.folder / "corpus"
        written = _write(corpus, size)
        state.say(f"{written / 1e9:.2f} GB of text are written")
        peak, seconds = _prepare(state, corpus)
        peaks.append(peak)
        told.append(f"{written / 1e9:.2f} GB of text in {peak / 1e9:.2f} GB and {seconds:,.0f} s")
        state.say(told[-1])
        for folder in (corpus, state.folder / "shards"):
            shutil.rmtree(folder, ignore_errors=True)
    state.expect(peaks[1] - peaks[0] < GROWTH, "the peak of memory grows with the corpus")
    return ", ".join(told)


def _write(folder, size):
    """Writes files of numbered lines; returns their bytes."""
    lines = [line for line in tiny.SAMPLE.read_text("utf-8").splitlines() if line.strip()]
    folder.mkdir()
    written = number = copy = 0
    while written < size:
        with open(folder / f"part-{number:04d}.txt", "wb") as file:
            while file.tell() < min(FILE, size - written):
                copy += 1
                text = "\n".join(f"{line} {copy}.{i}" for i, line in enumerate(lines))
                file.write(f"{text}\n\n".encode())
            written += file.tell()
        number += 1
    return written


def _prepare(state, corpus):
    """(peak of resident bytes, seconds) of the command."""
    began, peak = time.monotonic(), 0
    flags = [f"--corpus={corpus}", f"--shards_dir={state.folder / 'shards'}"]
    with open(state.folder / "log", "w+b") as log:
        process = tiny.start("prepare", flags, log)
        while process.poll() is None:
            peak = max(peak, _peak(process.pid))
            time.sleep(0.2)
        log.seek(0)
        told = log.read()[-300:].decode(errors="replace")
    state.expect(process.returncode == 0, f"prepare ended with {process.returncode}: {told}")
    return peak, time.monotonic() - began


def _peak(pid):
    """The largest resident memory of a process so far, in bytes; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) * 1024 if found else 0


if __name__ == "__main__":
    check_promise("large_corpus", check)
