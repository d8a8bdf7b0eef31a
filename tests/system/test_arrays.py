"""`.npy` files of strangers."""

import numpy as np
import pytest

from tfdistill.system.arrays import open_array
from tfdistill.system.errors import UserError


def _header(shape, descr="'<f4'"):
    """The beginning of a file of NumPy's format 1.0."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.ones((3, 2), "<f2", order="F")])
def test_arrays_are_read_as_by_numpy(array, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, array)
    found = open_array(path)
    np.testing.assert_array_equal(found, np.load(path))
    assert not found.flags.writeable


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "no array"),
        (_header("(2, 3)") + bytes(20), "24 bytes, and 20 follow"),
        (_header(f"({2**40}, {2**40})") + bytes(4), "4 follow"),
        (_header("(-1, -4)") + bytes(16), "no numbers"),
        (_header("(0,)"), "no numbers"),
        (_header("(3,)", "'|S0'"), "no numbers"),
        (_header("(1,)", "'|O'") + bytes(8), "no numbers"),
        (_header("x"), "no array"),
    ],
)
def test_other_files_are_an_error_that_names_them(content, message, tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        open_array(path)
    assert str(path) in str(caught.value)
