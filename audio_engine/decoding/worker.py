"""Decoder worker: a process that reads audio files for another, so that a crash or a hang of a decoder affects only it.

`python -m audio_engine.decoding.worker` answers each pickled request on standard input with a pickled reply on standard
output until the input ends. It does not import torch: it starts in a fraction of a second and uses little memory. Its
optional argument limits the length of a file in seconds; its memory is then limited too, since such files come from
untrusted sources: a tag of a megabyte can expand to gigabytes.
"""

import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import features.decode  # noqa: F401  (loads the decoders before the first file is asked for)
from audio_engine.decoding.audio_file import SoundRead, read_sound
from features.decode_errors import DecodeError, TooLongError
from features.description import Description
from features.peaks import Peaks, read_peaks
from features.recipe import MelRecipe

MAX_BYTES = 2 << 30  # of memory: two hours of unknown length, decoded in full, take a quarter


def serve(read: Callable[[Path, MelRecipe], SoundRead] = read_sound) -> None:
    """Answer requests until there are no more.

    A request is a path and a recipe, or "outline" or "description" instead of the recipe. A reply is a `SoundRead`,
    `Peaks` or a `Description`, or the reason this file could not be read: a `str`, in one line, or a `TooLongError`.
    """
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a decoder prints must not look like a reply
    while True:
        try:
            path, question = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(_reply(read, path, question), replies, protocol=pickle.HIGHEST_PROTOCOL)
        replies.flush()


def _reply(
    read: Callable[[Path, MelRecipe], SoundRead], path: Path, question: MelRecipe | str
) -> SoundRead | Peaks | Description | str | TooLongError:
    """Read one file; the process must survive anything that a malformed file makes a decoder raise."""
    try:
        return read(path, question) if isinstance(question, MelRecipe) else OTHERS[question](path)
    except TooLongError as error:
        return error
    except DecodeError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    except MemoryError:
        return "it needs more memory than is available"
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"


def _described(path: Path) -> Description:
    """Load librosa only where it is needed: with it a process starts a second later."""
    from features.describe import describe_file  # noqa: PLC0415

    return describe_file(path)


OTHERS: dict[str, Callable[[Path], Peaks | Description]] = {"outline": read_peaks, "description": _described}


def bound_memory(n_bytes: int = MAX_BYTES) -> None:
    """Limit this process's memory: larger allocations raise a `MemoryError`. No effect on Windows."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415  (Unix has it)

        resource.setrlimit(resource.RLIMIT_AS, (n_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        bound_memory()
        serve(partial(read_sound, max_duration_s=float(sys.argv[1])))
    else:
        serve()
