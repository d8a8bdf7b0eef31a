"""A grid whose runner is stopped or killed in every run ends with the results of a whole one."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tfdistill.run.directory import read_state

FLOOR = "baseline_text"
RUNS = 8  # two teachers, three cells with two seeds
CELLS = [{"start": "first"}, {"start": "text"}]
GRID = {
    "axes": {
        "start": {
            "first": {"student_init": "first"},
            "text": {"student_init": "text"},
            "cut": {"student_init": "last", "stop_after": "start"},
        },
        "seed": [0, 1],
    },
    "shared": {
        "teacher": {"axes": ["seed"], "last_stage": "teacher", "gives": {"teacher": "teacher"}}
    },
    "target": CELLS[1],
    "claims": [
        {"name": "the first layers are better", "better": CELLS[0], "than": CELLS[1]},
        {"name": "at the start", "better": CELLS[0], "than": CELLS[1], "metric": "start"},
        {"name": "the floor", "better": CELLS[0], "than": CELLS[0], "than_model": FLOOR},
    ],
}


@pytest.fixture
def start(tiny_flags, tmp_path):
    """A function of a folder's name to the process that makes the grid there."""
    words, started = tiny_flags(baseline="text", stop_after="evaluate"), []
    flags = dict(word.removeprefix("--").split("=", 1) for word in words)
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(GRID | {"flags": flags}))

    def start(folder):
        words = [sys.executable, "-m", "tfdistill.experiment", str(path), "--json"]
        words.append(f"--output_dir={tmp_path / folder}")
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(subprocess.Popen(words, **pipes, text=True, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            kill(process)
        process.communicate()


def stop(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait() in (0, 143)


def kill(process):
    """Ends a runner and the run that it is making at once, like a crash of the machine."""
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    for group in (process.pid, *map(int, children.stdout.split())):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    assert process.wait() in (0, -signal.SIGKILL)


@pytest.mark.slow
def test_a_grid_that_ends_in_every_run_gives_the_same_table(start, tmp_path):
    """Two trained cells and one of starts, two seeds with a teacher for each, and claims."""
    whole = json.loads(start("whole").communicate()[0])
    expected = whole["tables"][""]
    assert whole["missing"] == {} and whole["claims_changed"] == ""
    assert [(row["name"], len(row["runs"])) for row in expected["rows"]] == [
        *(("start=first", 2), ("start=text", 2), ("no teacher, text start", 2), ("teacher", 2)),
        ("unigram baseline", 1),
    ]
    assert all(len(claim["gains"]) == 2 for claim in expected["claims"])
    assert [len(cut["values"]) for cut in expected["starts"]] == [2]
    _require_training_of_shared_teachers(tmp_path / "whole", expected)
    for folder, end in {"stopped": stop, "killed": kill}.items():
        for number in range(1, RUNS + 1):  # each run is ended once, at different moments
            runner = start(folder)
            for line in runner.stderr:
                if line.startswith(f"{number}/{RUNS}"):
                    break
            time.sleep(2 + 2 * number)
            end(runner)
        again = json.loads(start(folder).communicate()[0])
        assert again["missing"] == {} and again["claims_changed"] == ""
        found = again["tables"][""]
        assert found["claims"] == expected["claims"] and found["starts"] == expected["starts"]
        assert _losses(found) == _losses(expected)
        page = (tmp_path / folder / "results.html").read_text()
        assert expected["claims"][0]["sentence"] in page and "at or below the last" in page


def _losses(table):
    kept = "loss", "top1", "agreement", "start", "early", "end", "steps"
    return [[row[key] for key in kept] for row in table["rows"]]


def _require_training_of_shared_teachers(folder, table):
    """The teachers' row has the training of the runs that made them, not of those that load."""
    row = next(row for row in table["rows"] if row["name"] == "teacher")
    done = [read_state(run)["done"] for run in sorted((folder / "shared").iterdir())]
    teachers = [stages["teacher"] for stages in done]
    assert row["minutes"]["values"] == pytest.approx([t["seconds"] / 60 for t in teachers])
    assert row["memory"]["values"] == pytest.approx(
        [t["peak_memory_bytes"] / 1e9 for t in teachers]
    )
    assert None not in row["end"]["values"]
    cut = read_state(folder / "runs" / "cut" / "seed-0")["done"]
    assert cut["start"]["layers"] == 1 and "student" not in cut
