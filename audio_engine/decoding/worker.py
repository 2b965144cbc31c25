"""A process that reads audio files for another: a decoder that crashes or hangs takes only this process with it.

`python -m audio_engine.decoding.worker` answers pickled requests on standard input with pickled replies on standard
output, one each, until the input ends. It imports no torch: it starts in a fraction of a second and holds little
memory. Its one argument, if there is one, bounds the seconds that a file may last; then its memory is bounded, too, for
such files come from strangers: a tag of a megabyte can be one of gigabytes once it is unpacked.
"""

import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from audio_engine.decoding.audio_file import SoundRead, read_sound
from features.decode import DecodeError, TooLongError
from features.peaks import Peaks, read_peaks
from features.recipe import MelRecipe

MAX_BYTES = 2 << 30  # of memory: two hours of unknown length, decoded whole, take a quarter


def serve(read: Callable[[Path, MelRecipe], SoundRead] = read_sound) -> None:
    """Answer requests until there are no more.

    A request is a path and a recipe, or None in its place where an outline is wanted. A reply is a `SoundRead` or
    `Peaks`, or why this file could not be read: a `str`, in one line, or a `TooLongError`.
    """
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a decoder prints must not look like a reply
    while True:
        try:
            path, recipe = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(_reply(read, path, recipe), replies, protocol=pickle.HIGHEST_PROTOCOL)
        replies.flush()


def _reply(
    read: Callable[[Path, MelRecipe], SoundRead], path: Path, recipe: MelRecipe | None
) -> SoundRead | Peaks | str | TooLongError:
    """Read one file; the process must outlive whatever a strange file makes a decoder raise."""
    try:
        return read_peaks(path) if recipe is None else read(path, recipe)
    except TooLongError as error:
        return error
    except DecodeError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    except MemoryError:
        return "it needs more memory than there is"
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"


def bound_memory(n_bytes: int = MAX_BYTES) -> None:
    """Let this process take no more memory: what asks for more fails with a `MemoryError`. No effect on Windows."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415  (Unix has it)

        resource.setrlimit(resource.RLIMIT_AS, (n_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        bound_memory()
        serve(partial(read_sound, max_duration_s=float(sys.argv[1])))
    else:
        serve()
