"""Arrays that may be larger than memory: in a temporary file, which goes with the array."""

import tempfile

import numpy as np
from numpy.typing import NDArray


def temporary_array(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Make an array of zeros in a file without a name (in ``TMPDIR``), memory-mapped.

    The system writes pages to the file where it is short of memory, and deletes the file when the array is no longer
    used.

    Parameters
    ----------
    shape
        Of the array; the file takes four bytes a number.

    Returns
    -------
    array : shape
    """
    if 0 in shape:
        return np.zeros(shape, np.float32)
    with tempfile.TemporaryFile() as file:
        return np.asarray(np.memmap(file, np.float32, "w+", shape=shape))
