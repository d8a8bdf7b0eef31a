"""Event files hold each point once, also after a resume."""

import time

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfdistill.reports.tensorboard import RunWriter, examples_table, markdown_table

ROWS = [{"step": step, "loss": 10.0 - step, "validation_loss": 1.0} for step in (1, 2, 3)]


def points(directory):
    """dict of curve names to lists of (step, value), from all event files of a folder."""
    accumulator = EventAccumulator(str(directory))
    accumulator.Reload()
    return {
        tag: [
            (event.step, float(tf.make_ndarray(event.tensor_proto)))
            for event in accumulator.Tensors(tag)
        ]
        for tag in accumulator.Tags()["tensors"]
    }


def write(writer, rows):
    for row in rows:
        writer.row(row)


def wall_times(directory, tag="loss"):
    accumulator = EventAccumulator(str(directory))
    accumulator.Reload()
    return [event.wall_time for event in accumulator.Tensors(tag)]


def test_scalars(tmp_path):
    writer = RunWriter(tmp_path / "teacher")
    write(writer, ROWS)
    writer.close()
    assert points(tmp_path / "teacher") == {
        "loss": [(1, 9.0), (2, 8.0), (3, 7.0)],
        "validation_loss": [(1, 1.0), (2, 1.0), (3, 1.0)],
    }


@pytest.mark.parametrize("closed", [True, False])
def test_a_resumed_run_has_no_point_twice(tmp_path, closed):
    writer = RunWriter(tmp_path)
    write(writer, ROWS)
    if closed:
        writer.close()
    # The run stopped; its last checkpoint was step 2.
    resumed = RunWriter(tmp_path)
    resumed.replay(ROWS[:2])
    resumed.row({"step": 3, "loss": 7.5})
    resumed.row({"step": 4, "loss": 6.5})
    resumed.close()
    assert points(tmp_path)["loss"] == [(1, 9.0), (2, 8.0), (3, 7.5), (4, 6.5)]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_resumed_run_keeps_the_times_of_its_points(tmp_path):
    """Recorded points keep their times; a point without a time gets the current one."""
    rows = [row | {"wall_time": 1.7e9 + 60 * row["step"]} for row in ROWS]
    writer = RunWriter(tmp_path)
    writer.replay(rows[:2])
    writer.row(rows[2])
    before = time.time()
    writer.row({"step": 4, "loss": 6.0})
    writer.close()
    *stored, now = wall_times(tmp_path)
    assert stored == [1.7e9 + 60, 1.7e9 + 120, 1.7e9 + 180] and before <= now <= time.time()
    assert points(tmp_path).keys() == {"loss", "validation_loss"}


def test_replay_of_nothing_forgets_an_older_run(tmp_path):
    writer = RunWriter(tmp_path)
    write(writer, ROWS)
    RunWriter(tmp_path).replay([])
    assert list(tmp_path.iterdir()) == []


def test_replay_leaves_other_files_and_other_stages_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    other = RunWriter(tmp_path / "teacher")
    write(other, ROWS)
    other.close()
    writer = RunWriter(tmp_path)
    writer.replay([{**ROWS[0], "phase": "distil", "skipped": None}])
    writer.close()
    assert (tmp_path / "notes.txt").exists()
    assert points(tmp_path / "teacher")["loss"] == [(1, 9.0), (2, 8.0), (3, 7.0)]


def test_points_are_on_disk_at_once(tmp_path):
    writer = RunWriter(tmp_path)
    writer.row({"step": 1, "loss": 2.5})
    assert points(tmp_path) == {"loss": [(1, 2.5)]}
    writer.close()


def test_text(tmp_path):
    writer = RunWriter(tmp_path)
    writer.text("fill-mask", 0, "| teacher | student |\n|---|---|")
    writer.close()
    accumulator = EventAccumulator(str(tmp_path))
    accumulator.Reload()
    (event,) = accumulator.Tensors("fill-mask")
    assert tf.make_ndarray(event.tensor_proto).item() == b"| teacher | student |\n|---|---|"


def test_a_table_of_text(tmp_path):
    table = markdown_table(["flag", "value"], {"recipe": "mlm", "text": "a|b"}.items())
    assert table == "| flag | value |\n| --- | --- |\n| recipe | mlm |\n| text | a¦b |"


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        RunWriter(tmp_path / "file" / "stage").row({"step": 1, "loss": 1.0})


def test_examples_for_tensorboard():
    example = {"text": "the [MASK] sank", "truth": "ship", "student": [("ship", 0.5), ("a", 0.25)]}
    lines = examples_table([example], "hidden").splitlines()
    assert lines[0].split("|")[1:-1] == [" text ", " hidden ", " teacher ", " student "]
    assert lines[2] == "| the [MASK] sank | ship |  | ship 50%, a 25% |"
    example = {"text": "a | [MASK] b", "truth": "c", "student": [("|", 0.5)]}
    row = examples_table([example], "hidden").splitlines()[2]
    assert row.count("|") == 5  # those between the cells alone
