"""A decoder process that hangs on every file."""

import sys
import time
from pathlib import Path

from audio_engine.decoding.audio_file import SoundRead
from audio_engine.decoding.worker import serve
from features.recipe import MelRecipe

COMMAND = (sys.executable, "-P", "-m", "tests.hanging_worker")


def read(path: Path, recipe: MelRecipe) -> SoundRead:
    time.sleep(600)
    raise AssertionError(f"{path} should have been given up, {recipe}")


if __name__ == "__main__":
    serve(read)
