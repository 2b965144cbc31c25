"""A process that reads audio files for another: a decoder that crashes or hangs takes only this process with it.

`python -m audio_engine.worker` answers pickled requests on standard input with pickled replies on standard output, one
each, until the input ends. It imports no torch: it starts in a fraction of a second and holds little memory.
"""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

from audio_engine.sound import SoundRead, read_sound
from features.decode import DecodeError
from features.recipe import MelRecipe


def serve(read: Callable[[Path, MelRecipe], SoundRead] = read_sound) -> None:
    """Answer requests until there are no more.

    A reply is a `SoundRead`, or a `str`: why this file could not be read, in one line.
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


def _reply(read: Callable[[Path, MelRecipe], SoundRead], path: Path, recipe: MelRecipe) -> SoundRead | str:
    """Read one file; the process must outlive whatever a strange file makes a decoder raise."""
    try:
        return read(path, recipe)
    except DecodeError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    except MemoryError:
        return "it needs more memory than there is"
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    serve()
