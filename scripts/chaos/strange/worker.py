"""Fuzzes one format: `worker.py NUMBER hypothesis|atheris CASES FOLDER`; writes result.json."""

import collections
import contextlib
import faulthandler
import json
import os
import random
import resource
import sys
import time
from pathlib import Path

with contextlib.suppress(ImportError):
    import atheris

LONGEST = 300  # seconds of a case, after which the process ends with its stack in the log
MOST_FAULTS = 20  # of different places
LARGEST = 1 << 19  # bytes of a file that Atheris makes


class Session:
    """The cases of one format.

    Args:
        number: of the format.
        cases: how many.
        folder: `Path` to work in.
    """

    def __init__(self, number, cases, folder):
        from scripts.chaos.strange.formats import FORMATS
        from scripts.chaos.strange.trial import check

        self.kind, self.cases, self.folder = FORMATS[number], cases, folder
        self.files, self._check = self.kind.files(), check
        self.names = sorted(self.kind.damaged or self.files)
        self.counts, self.faults, self.done = collections.Counter(), {}, 0
        self._began = time.monotonic()
        if self.run(self.files) != "read":
            raise SystemExit(f"{self.kind.name}: the valid folder is not read: {self.faults}")
        self.counts.clear()  # of damaged ones
        self.done = 0

    def run(self, files):
        """Reads one folder and counts what happened."""
        from scripts.chaos.strange.trial import Fault

        faulthandler.dump_traceback_later(LONGEST, exit=True)
        try:
            outcome = self._check(self.kind, files, self.folder / "case")
        except Fault as fault:
            place = str(fault).split(": ")[1]
            outcome = "fault"
            if len(self.faults) < MOST_FAULTS and place not in self.faults:
                self.faults[place] = str(fault)
                (self.folder / f"fault-{len(self.faults)}").mkdir(exist_ok=True)
                for name, content in files.items():
                    path = self.folder / f"fault-{len(self.faults)}" / name.replace("/", "_")
                    path.write_bytes(content)
        self.counts[outcome] += 1
        self.done += 1
        return outcome

    def damage(self, draw):
        """Damages one of the files and reads the folder."""
        name = draw.choice(self.names)
        damage = draw.choice(self.kind.damages)
        self.run({**self.files, name: damage(draw, self.files[name])})

    def finish(self, guided):
        """Writes the figures."""
        faulthandler.cancel_dump_traceback_later()
        found = {
            "counts": dict(self.counts),
            "faults": list(self.faults.values()),
            "guided": self.done if guided else 0,
            "seconds": time.monotonic() - self._began,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        (self.folder / "result.json").write_text(json.dumps(found))


def with_hypothesis(session):
    """Cases whose choices Hypothesis makes."""
    import hypothesis
    from hypothesis import strategies

    @hypothesis.settings(
        max_examples=session.cases,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.seed(0)
    @hypothesis.given(strategies.randoms(use_true_random=False))
    def cases(draw):
        session.damage(draw)

    cases()
    session.finish(guided=False)


def at_random(session):
    """Cases from a generator of random numbers, where Atheris is not installed."""
    draw = random.Random(0)
    for _ in range(session.cases):
        session.damage(draw)
    session.finish(guided=False)


def with_atheris(session):
    """Cases that Atheris makes of those that reached new code, by the same damages.

    Its data are one byte that chooses the file, and the file.
    """
    seeds = session.folder / "seeds"
    seeds.mkdir(exist_ok=True)
    for number, name in enumerate(session.names):
        (seeds / f"{number}").write_bytes(bytes([number]) + session.files[name])

    def read(data):
        if data:
            name = session.names[data[0] % len(session.names)]
            session.run({**session.files, name: data[1:]})
        if session.done >= session.cases:
            session.finish(guided=True)
            os._exit(0)  # Atheris has no other end within its function

    def mutate(data, size, seed):
        draw = random.Random(seed)
        if len(data) < 2 or draw.randrange(4) == 0:
            return atheris.Mutate(data, size)
        damage = draw.choice(session.kind.damages)
        return (data[:1] + damage(draw, bytes(data[1:])))[:size]

    words = [
        sys.argv[0],
        f"-runs={10 * session.cases}",
        f"-max_len={LARGEST}",
        "-seed=1",
        "-len_control=0",
    ]
    words += ["-rss_limit_mb=4000", f"-timeout={LONGEST}", f"-artifact_prefix={session.folder}/"]
    atheris.Setup([*words, str(seeds)], read, custom_mutator=mutate)
    atheris.Fuzz()


def main():
    """Runs the cases that the command line names."""
    number, way, cases, folder = sys.argv[1:]
    guided = way == "atheris" and "atheris" in globals()
    instrumented = contextlib.nullcontext()
    if guided:
        instrumented = atheris.instrument_imports(include=["tfdistill"])
    with instrumented:
        session = Session(int(number), int(cases), Path(folder))
    if guided:
        with_atheris(session)
    elif way == "hypothesis":
        with_hypothesis(session)
    else:
        at_random(session)


if __name__ == "__main__":
    main()
