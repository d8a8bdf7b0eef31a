"""Arrays on disk that are filled row by row."""

import numpy as np
import pytest

from tfdistill.data.row_store import RowStore
from tfdistill.system.errors import UserError


@pytest.fixture
def make(tmp_path):
    def make(rows=10, entry=(3, 2), dtype=np.float16):
        return RowStore(tmp_path / "mask-0", "hidden", (rows, *entry), dtype)

    return make


def test_what_is_written_is_read_by_the_next(make):
    store = make()
    entries = np.random.default_rng(0).normal(size=(3, 3, 2))
    store.write(np.array([7, 2, 9]), entries)
    assert not store.there.any()
    store.mark()
    for each in (store, make()):
        np.testing.assert_array_equal(each.read(np.array([2, 7])), entries[[1, 0]].astype("f2"))
        assert np.flatnonzero(each.there).tolist() == [2, 7, 9]


def test_two_writers_of_one_file(make):
    one, two = make(), make()
    one.write(np.array([0]), np.ones((1, 3, 2)))
    two.write(np.array([5]), np.full((1, 3, 2), 2.0))
    one.mark(), two.mark()
    assert all(np.flatnonzero(each.there).tolist() == [0, 5] for each in (one, two))
    assert one.read(np.array([5]))[0, 0, 0] == 2 and two.read(np.array([0]))[0, 0, 0] == 1


def test_an_entry_is_marked_after_it_is_written(make, monkeypatch):
    """Rows that a full disk cuts off are not marked."""
    store = make()

    class Full:
        def __init__(self, file):
            self._file, self._left = file, 1

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

        def seek(self, place):
            self._file.seek(place)

        def write(self, data):
            if not self._left:
                raise OSError(28, "No space left on device")
            self._left -= 1
            self._file.write(data)

    monkeypatch.setattr("builtins.open", lambda path, mode: Full(path.open(mode)))
    with pytest.raises(OSError, match="No space"):
        store.write(np.array([1, 2]), np.ones((2, 3, 2)))
    monkeypatch.undo()
    assert not make().there.any()


def test_what_float16_cannot_hold_is_not_kept(make):
    store, entries = make(), np.ones((2, 3, 2), np.float32)
    entries[1, 0, 0] = 1e5
    with pytest.raises(UserError, match="teacher_cache: .*hidden are too large for the float16"):
        store.write(np.array([0, 1]), entries)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data, marks: data.write_bytes(b""),
        lambda data, marks: data.write_bytes(data.read_bytes()[:-1]),
        lambda data, marks: marks.unlink(),
        lambda data, marks: np.save(data, np.zeros((10, 3, 3), np.float16)),
    ],
)
def test_a_damaged_file_is_named(make, tmp_path, damage):
    make()
    damage(tmp_path / "mask-0" / "hidden.npy", tmp_path / "mask-0" / "hidden.sums")
    with pytest.raises(UserError, match=r"teacher_cache: .*hidden.npy is .*: delete its folder"):
        make()
