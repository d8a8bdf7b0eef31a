"""Checkpoints and logged points of one stage of training."""

import keras
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from tfdistill.system.errors import UserError
from tfdistill.training.checkpoints import KEPT_CHECKPOINTS, StageState


def full_disk(*arguments):
    raise OSError(28, "No space left on device")


def make_variables(seed):
    generator = np.random.default_rng(seed)
    weights = keras.Variable(generator.normal(size=(3, 4)).astype(np.float32), name="weights")
    counter = keras.Variable(seed, dtype="int64", trainable=False, name="counter")
    return {"model/weights": weights, "optimizer/0/counter": counter}


def values(variables):
    return {name: variable.numpy() for name, variable in variables.items()}


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name])
        assert found[name].dtype == expected[name].dtype


def names(path):
    return sorted(file.name for file in path.rglob("*") if file.is_file())


def test_nothing_to_restore(tmp_path):
    variables = make_variables(0)
    before = values(variables)
    state = StageState(tmp_path, "student")
    assert state.restore(variables) == (0, 0.0)
    assert state.rows == [] and state.load_rows() == []
    assert_equal(values(variables), before)


def test_the_last_checkpoint_is_restored(tmp_path):
    state = StageState(tmp_path, "student")
    for step in (90, 100, 9000):
        state.rows.append({"step": step, "loss": 1 / step})
        state.save(step, make_variables(step), seconds=step / 7)
    assert len(list(tmp_path.rglob("*.safetensors"))) == KEPT_CHECKPOINTS == 2

    fresh, variables = StageState(tmp_path, "student"), make_variables(1)
    assert fresh.restore(variables) == (9000, 9000 / 7)
    assert_equal(values(variables), values(make_variables(9000)))
    assert fresh.rows == [{"step": step, "loss": 1 / step} for step in (90, 100, 9000)]


def test_stages_do_not_share_checkpoints(tmp_path):
    StageState(tmp_path, "teacher").save(5, make_variables(5), 0.0)
    assert StageState(tmp_path, "student").restore(make_variables(0)) == (0, 0.0)


def test_points_after_the_checkpoint_are_dropped(tmp_path):
    state = StageState(tmp_path, "student")
    state.rows = [{"step": 10}, {"step": 20}]
    state.save(20, make_variables(20), 0.0)
    state.rows.append({"step": 30})
    state.close()  # writes the points, as the next save does first
    fresh = StageState(tmp_path, "student")
    fresh.restore(make_variables(0))
    assert fresh.rows == [{"step": 10}, {"step": 20}]


def test_unlogged_losses_are_restored(tmp_path):
    """Losses since the last logged point, to the last bit."""
    state = StageState(tmp_path, "student")
    values = np.float32(1 / 3), np.float32(1e-30)
    losses = [{"loss": value, "skipped": 1.0} for value in values]
    for each in losses:
        state.unlogged.add(each, 2)
    state.save(14, make_variables(14), 0.0)
    fresh = StageState(tmp_path, "student")
    fresh.restore(make_variables(0))
    assert fresh.unlogged.steps == 4
    assert fresh.unlogged.counts == [2, 2]
    assert fresh.unlogged.losses == [{k: float(v) for k, v in each.items()} for each in losses]


def test_the_end_of_a_stage_keeps_only_the_curve(tmp_path):
    state = StageState(tmp_path, "student")
    state.rows.append({"step": 10, "loss": 0.5})
    state.save(10, make_variables(0), 0.0)
    state.rows.append({"step": 20, "loss": 0.25})
    state.close()
    state.delete_checkpoints()
    assert names(tmp_path) == ["SHA256SUMS", "curve.jsonl"]
    assert [row["loss"] for row in StageState(tmp_path, "student").load_rows()] == [0.5, 0.25]
    curve = tmp_path / "student" / "curve.jsonl"
    curve.write_text(curve.read_text().replace("0.25", "0.15"))
    with pytest.raises(UserError, match="curve.jsonl is damaged, not what was written"):
        StageState(tmp_path, "student").load_rows()


@pytest.mark.parametrize("call", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("successes", [0, 1], ids=["curve", "checkpoint"])
def test_a_failed_write_leaves_the_checkpoint_before(tmp_path, monkeypatch, call, successes):
    """The curve is written first, then the checkpoint: each write fails in turn."""
    state = StageState(tmp_path, "student")
    state.rows.append({"step": 10})
    state.save(10, make_variables(10), 1.5)
    before = names(tmp_path)
    module, function = call.split(".")
    real, calls = getattr(__import__(module), function), []

    def fails(*arguments):
        calls.append(arguments)
        return real(*arguments) if len(calls) <= successes else full_disk()

    state.rows.append({"step": 20})
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(call, fails)
        state.save(20, make_variables(20), 3.0)
    assert names(tmp_path) == before  # no half-written file either
    fresh, variables = StageState(tmp_path, "student"), make_variables(0)
    assert fresh.restore(variables) == (10, 1.5)
    assert_equal(values(variables), values(make_variables(10)))
    assert fresh.rows == [{"step": 10}]
    fresh.rows.append({"step": 20})
    fresh.save(20, make_variables(20), 3.0)
    assert StageState(tmp_path, "student").restore(variables) == (20, 3.0)


def test_the_file_of_a_killed_write_is_ignored(tmp_path):
    state = StageState(tmp_path, "student")
    state.save(10, make_variables(10), 0.0)
    (tmp_path / "student" / "step-00000020.safetensors.tmp").write_bytes(b"\x00" * 9)
    assert StageState(tmp_path, "student").restore(make_variables(0))[0] == 10


def flipped(file, place):
    """Flips one bit of a file."""
    content = bytearray(file.read_bytes())
    content[place] ^= 4
    file.write_bytes(content)


def save_three(path):
    state = StageState(path, "student")
    for step in (10, 20):
        state.rows.append({"step": step, "loss": 1 / step})
        state.save(step, make_variables(step), step / 7)
    state.rows.append({"step": 30, "loss": 0.5})
    state.close()
    return path / "student" / "step-00000020.safetensors"


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-4]),
        lambda file: file.write_bytes(b""),
        lambda file: flipped(file, -1),  # in an array
        lambda file: flipped(file, file.read_bytes().index(b'"20"') + 1),  # in its step
    ],
)
def test_a_damaged_checkpoint_is_put_aside_and_the_one_before_restored(tmp_path, damage):
    last = save_three(tmp_path)
    damage(last)
    fresh, variables = StageState(tmp_path, "student"), make_variables(0)
    assert fresh.restore(variables) == (10, 10 / 7)
    assert_equal(values(variables), values(make_variables(10)))
    assert fresh.damaged == [last] and fresh.rows == [{"step": 10, "loss": 0.1}]
    assert names(tmp_path) == [
        "curve.jsonl",
        "step-00000010.safetensors",
        "step-00000020.safetensors.damaged",
    ]


def test_a_damaged_curve_is_found(tmp_path):
    """Points after the checkpoint are dropped, whatever they are; others must be as they were."""
    save_three(tmp_path)
    curve = tmp_path / "student" / "curve.jsonl"
    lines = curve.read_text().splitlines()
    curve.write_text("\n".join([*lines[:2], lines[2].replace("0.5", "0.7")]))
    assert StageState(tmp_path, "student").restore(make_variables(0))[0] == 20
    curve.write_text("\n".join([lines[0], lines[1].replace("0.05", "0.04")]))
    assert StageState(tmp_path, "student").restore(make_variables(0))[0] == 10
    save_three(tmp_path)
    curve.write_text(lines[0].replace("0.1", "0.2"))
    before = names(tmp_path)
    with pytest.raises(UserError, match="curve.jsonl: damaged, .*restore one, or delete .*student"):
        StageState(tmp_path, "student").restore(make_variables(0))
    assert names(tmp_path) == before  # what is good stays


def test_a_checkpoint_without_a_checksum_is_restored(tmp_path):
    """Those of earlier versions."""
    last = save_three(tmp_path)
    with safe_open(last, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        facts = {name: file.metadata()[name] for name in ("step", "seconds")}
    last.write_bytes(save(arrays, facts))
    assert StageState(tmp_path, "student").restore(make_variables(0)) == (20, 20 / 7)


@pytest.mark.parametrize("saved", [False, True])
def test_a_folder_that_vanished_is_not_made_anew(tmp_path, saved):
    """Also before the first checkpoint of a stage."""
    (tmp_path / "run").mkdir()
    state = StageState(tmp_path / "run", "student")
    if saved:
        state.save(10, make_variables(10), 0.0)
    (tmp_path / "run").rename(tmp_path / "away")
    for write in (state.close, lambda: state.save(20, make_variables(20), 0.0)):
        with pytest.raises(FileNotFoundError):
            write()
    assert [each.name for each in tmp_path.iterdir()] == ["away"]


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    StageState(tmp_path, "student").save(10, make_variables(10), 0.0)
    other = make_variables(0)
    other["model/more"] = other["model/weights"]
    with pytest.raises(UserError, match="step-00000010.* another model.* force"):
        StageState(tmp_path, "student").restore(other)


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path):
    """The same settings may name a file whose content has changed."""
    StageState(tmp_path, "student").save(10, make_variables(10), 0.0)
    wider = make_variables(0)
    wider["model/weights"] = keras.Variable(np.zeros((3, 5), np.float32), name="weights")
    with pytest.raises(UserError, match="step-00000010.* another model.* force"):
        StageState(tmp_path, "student").restore(wider)
