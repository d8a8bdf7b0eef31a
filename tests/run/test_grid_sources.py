"""The dry run of a grid tells which files its runs would miss."""

import json
import re

import pytest

AXES = {
    "data": {"there": {"corpus": "{data_dir}/text.txt"}, "gone": {"corpus": "{data_dir}/gone.txt"}},
    "seed": [0, 1],
}
CLASSES = {"task": "text_classification", "data_dir": ""}
STATE = re.compile(r": open$| to make")


@pytest.fixture
def dry_run(tmp_path, run_command, capfd):
    """A function of a grid to the exit code, the lines about its runs, and the error."""

    def run(*words, **grid):
        file = tmp_path / "grid.json"
        file.write_text(json.dumps(grid))
        flags = ("--dry_run", f"--data_dir={tmp_path}", f"--output_dir={tmp_path / 'out'}")
        before = sorted(tmp_path.rglob("*"))
        code = run_command("experiment", file, *flags, *words)
        assert sorted(tmp_path.rglob("*")) == before  # nothing was written
        shown = capfd.readouterr()
        return code, [line for line in shown.out.splitlines() if not STATE.search(line)], shown.err

    (tmp_path / "text.txt").write_text("The whale sank the ship.\n" * 9)
    return run


def test_a_corpus_that_is_not_there(dry_run, tmp_path):
    code, lines, error = dry_run(axes=AXES)
    gone = f"--corpus={tmp_path / 'gone.txt'}: no such file or folder"
    assert code == 1 and [line.partition(": correct")[0] for line in lines] == [
        f"gone/seed-0: {gone}",
        f"gone/seed-1: {gone}",
    ]
    assert error == (
        "error: 2 of 4 runs to make would miss what they read, as said above: correct the paths\n"
    )


def test_a_grid_that_misses_nothing(dry_run):
    teacher = {"axes": ["data"], "last_stage": "teacher", "gives": {"teacher": "teacher"}}
    axes = AXES | {"data": {"there": AXES["data"]["there"], "hub": {"corpus": "hf:some/texts"}}}
    flags = {"tokenizer": "bert-base-uncased"}
    assert dry_run(axes=axes, shared={"teacher": teacher}, flags=flags) == (0, [], "")


def test_a_folder_counts_where_it_is_read(dry_run, tmp_path):
    texts = {"file": {"corpus": "{data_dir}/text.txt"}, "wikitext": {"corpus": "wikitext-2"}}
    flags = {"data_dir": "{data_dir}/gone"}
    code, lines, _ = dry_run(axes={"text": texts}, flags=flags)
    assert code == 1
    assert lines == [f"wikitext: --data_dir={tmp_path / 'gone'}: no such folder"]


def test_examples_and_models_that_are_not_there(dry_run, tmp_path):
    rows = "".join(f"a whale {n},{n % 2}\n" for n in range(40))
    (tmp_path / "good.csv").write_text("text,label\n" + rows)
    (tmp_path / "other.csv").write_text("text,colour\n" + rows)
    cells = {
        "good": {"train_data": "{data_dir}/good.csv"},
        "hub": {"train_data": "hf:some/examples"},
        "gone": {"train_data": "{data_dir}/gone.csv", "test_data": "{data_dir}/gone_2.csv"},
        "other": {"train_data": "{data_dir}/other.csv", "label_column": "label"},
        "none": {},
        "glue": {"task_data": "glue/sst2", "data_dir": "{data_dir}/glue"},
        "teacher": {"train_data": "{data_dir}/good.csv", "teacher": "{data_dir}/bert"},
        "models": {"train_data": "{data_dir}/good.csv", "student_config": "{data_dir}/s.json"}
        | {"word_vectors": "{data_dir}/v.txt", "recipe": "{data_dir}/own.py:mine"},
    }
    code, lines, error = dry_run(axes={"cell": cells}, flags=CLASSES | {"teacher": "bert"})
    told = {}
    for line in lines:
        name, _, message = line.partition(": ")
        told.setdefault(name, []).append(message.replace(str(tmp_path), "DIR").split(": ")[0])
    assert code == 1 and "6 of 8 runs" in error
    assert told == {
        "gone": ["--train_data=DIR/gone.csv", "--test_data=DIR/gone_2.csv"],
        "glue": ["--data_dir=DIR/glue"],
        "teacher": ["--teacher"],
        "other": ["DIR/other.csv"],
        "none": ["name the data with labels"],
        "models": ["--student_config=DIR/s.json", "--recipe=DIR/own.py:mine"]
        + ["--word_vectors=DIR/v.txt"],
    }


def test_a_run_that_goes_on_needs_its_teacher_no_more(dry_run, tmp_path):
    state = tmp_path / "out" / "runs" / "there" / "checkpoints" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"settings": {}, "done": {"teacher": {"seconds": 1.0}}}))
    axes = {"cell": {"there": {}, "fresh": {}}}
    code, lines, _ = dry_run(axes=axes, flags={"teacher": "{data_dir}/bert"})
    assert code == 1 and [line.split(": ")[0] for line in lines] == ["fresh"]
