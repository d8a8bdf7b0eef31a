"""Strangers' files: damaged files of every format are read; each gives an error in one line or a
right result, in bounded memory and time, and runs or writes nothing.

Half of a format's cases come from Hypothesis, the others from Atheris, which is led by the code
that is reached (`pip install atheris`; without it, they are drawn at random). The formats and their
damages are in `strange/`.

    python scripts/chaos/fuzz.py [--minutes=N] [FORMAT…]
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent / "parts"))
from promise import check_promise  # noqa: E402

CASES = 800  # of each format and each way
WAYS = "hypothesis", "atheris"


def check(state):
    """Fuzzes each format in a process of its own."""
    from scripts.chaos.strange.formats import FORMATS

    cases = CASES if state.minutes is None else max(20, int(state.minutes * 60))
    total, guided, names = {"read": 0, "refused": 0}, 0, []
    chosen = state.chosen(kind.name for kind in FORMATS)
    for number, kind in enumerate(FORMATS):
        if kind.name not in chosen:
            continue
        for way in WAYS:
            found = _fuzz(state, number, way, cases)
            if not state.expect(found, f"{kind.name}, {way}: the process died"):
                continue
            for fault in found["faults"]:
                state.expect(False, fault)
            counts = {name: found["counts"].get(name, 0) for name in total}
            total = {name: total[name] + count for name, count in counts.items()}
            guided += found["guided"]
            state.say(
                f"{kind.name}, {way}: {counts['read']:,} read, {counts['refused']:,} refused, "
                f"{found['seconds']:.0f} s, {found['megabytes']:.0f} MB at most"
            )
        names.append(kind.name)
        if state.is_over:
            break
    return (
        f"{sum(total.values()):,} damaged files of {len(names)} of {len(FORMATS)} formats, "
        f"{guided:,} led by coverage: {total['read']:,} read, {total['refused']:,} refused"
    )


def _fuzz(state, number, way, cases):
    """Runs `strange/worker.py`; returns what it found, or None."""
    folder = state.folder / f"{number}-{way}"
    folder.mkdir(exist_ok=True)
    log, result = folder / "log", folder / "result.json"
    result.unlink(missing_ok=True)
    words = [sys.executable, str(Path(__file__).parent / "strange" / "worker.py")]
    words += [str(number), way, str(cases), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with open(log, "w") as output:
        subprocess.run(words, stdout=output, stderr=output, env=environment, cwd=folder)
    return json.loads(result.read_text()) if result.is_file() else None


if __name__ == "__main__":
    check_promise("fuzz", check)
