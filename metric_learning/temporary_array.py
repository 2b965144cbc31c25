"""Arrays that may be larger than memory: in a temporary file, which goes with the array."""

import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def temporary_array(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Make an array of zeros in a file without a name (in ``TMPDIR``), memory-mapped.

    The system writes pages to the file where it is short of memory, and deletes the file when the array is no longer
    used.

    Parameters
    ----------
    shape
        Of the array.
    dtype
        Of its numbers.

    Returns
    -------
    array : shape
    """
    if 0 in shape:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.asarray(np.memmap(file, dtype, "w+", shape=shape))
