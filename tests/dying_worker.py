"""A decoder process that crashes, hangs or prints, depending on the name of its file."""

import os
import signal
import sys
import time
from pathlib import Path

from audio_engine.decoding.audio_file import SoundRead, read_sound
from audio_engine.decoding.pool import DecoderPool
from audio_engine.decoding.worker import serve
from features.recipe import MelRecipe

COMMAND = (sys.executable, "-P", "-m", "tests.dying_worker")
SHORT_S = 1.0  # seconds after which a decoder that hangs counts as hung


class DyingPool(DecoderPool):
    """A pool of such processes that waits only briefly for files that hang: a busy machine may start others slowly."""

    def __init__(self, recipe: MelRecipe, *, n_workers: int) -> None:
        super().__init__(recipe, n_workers=n_workers, command=COMMAND)

    def read(self, path: Path, recipe: MelRecipe | None = None) -> SoundRead:
        if "hang" not in path.name:
            return super().read(path, recipe)
        with DecoderPool(recipe or self._recipe, n_workers=1, timeout_s=SHORT_S, command=COMMAND) as pool:
            return pool.read(path)


def read(path: Path, recipe: MelRecipe) -> SoundRead:
    if "segfault" in path.name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in path.name:
        time.sleep(600)
    if "chatter" in path.name:
        print("a decoder's library prints to standard output", flush=True)
        os.write(1, b"and so does its C code\n")
    if "surprise" in path.name:
        raise KeyError("something nobody thought of")
    return read_sound(path, recipe)


if __name__ == "__main__":
    serve(read)
