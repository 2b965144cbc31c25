"""Full disks: whatever says that there is no space left becomes one ``OSError`` that names the place."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # no space left; the user's share of it is used up
IN_WORDS = tuple(f"os error {number}" for number in FULL)  # as libraries in Rust say it: Polars, safetensors
IN_TORCH = ("inline_container", "unexpected pos")  # as torch.save says it: it wrote less than it wanted to


def is_full_disk(error: BaseException) -> bool:
    """Tell whether an error says that a disk is full, whatever library raised it.

    Examples
    --------
    >>> is_full_disk(OSError(errno.ENOSPC, "")), is_full_disk(ValueError("No space left on device (os error 28)"))
    (True, True)
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    return any(words in str(error) for words in IN_WORDS) or all(words in str(error) for words in IN_TORCH)


def full_disk(place: Path) -> OSError:
    """Make the error that a place is on a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))


@contextmanager
def naming_full_disk(place: Path) -> Iterator[None]:
    """Name a place where the block writes to it and there is no space left.

    Raises
    ------
    OSError
        In place of what the block raised: libraries leave the name out, or give that of what was copied.
    """
    try:
        yield
    except Exception as error:
        if is_full_disk(error):
            raise full_disk(place) from error
        raise
