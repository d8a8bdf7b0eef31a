"""NumPy's files, read without pickles and only as far as the file goes."""

import os
import warnings

import numpy as np

from tfdistill.system.errors import UserError


def open_array(path):
    """Opens the array of a `.npy` file, which stays on disk.

    Its header may come from anywhere: the shape must fit the size of the file before anything is
    allocated, and objects, which NumPy would read as a pickle, are refused.

    Args:
        path: the file.

    Returns:
        A read-only `numpy.memmap`.

    Raises:
        UserError: the file is damaged, or no such array.
        OSError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0}
            read[2, 0] = np.lib.format.read_array_header_2_0
            with warnings.catch_warnings(action="ignore"):  # about headers of Python 2
                shape, fortran, dtype = read[version](file)
            begin, end = file.tell(), os.fstat(file.fileno()).st_size
    except OSError:
        raise
    except Exception as error:  # NumPy's parser raises those of Python's as well
        raise UserError(f"{path} is no array of numpy.save ({type(error).__name__})") from None
    count = 1
    for size in shape:
        count *= size  # whole numbers of any size, which NumPy's own product is not
    if dtype.hasobject or any(size < 0 for size in shape) or count * dtype.itemsize < 1:
        raise UserError(f"{path} holds no numbers: its header says {dtype} {shape}")
    if count * dtype.itemsize != end - begin:
        raise UserError(
            f"{path} is damaged: its header says {dtype} {shape}, which is "
            f"{count * dtype.itemsize:,} bytes, and {end - begin:,} follow"
        )
    order = "F" if fortran else "C"
    return np.memmap(path, dtype, "r", begin, shape, order)
