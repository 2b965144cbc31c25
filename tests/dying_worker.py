"""A decoder process that crashes, hangs or prints, depending on the name of its file."""

import os
import signal
import sys
import time
from pathlib import Path

from audio_engine.decoding.audio_file import SoundRead, read_sound
from audio_engine.decoding.worker import serve
from features.recipe import MelRecipe

COMMAND = (sys.executable, "-P", "-m", "tests.dying_worker")


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
