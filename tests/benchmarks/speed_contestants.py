"""The contestants of the speed benchmark, each run in a separate process over the given files.

    python -m tests.benchmarks.speed_contestants NAME FILE…

A contestant that is not installed exits with a line that says so.
"""
# ruff: noqa: PLC0415  (each imports only its own)

import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

SKIPPED = 3  # exit status


def ours(files: list[Path]) -> None:
    """The whole: hashed, decoded, embedded, written to a new catalogue."""
    from audio_engine import Engine

    with tempfile.TemporaryDirectory() as folder, Engine.open(folder) as engine:
        results = list(engine.embed(*files))
    if any(result.status != "embedded" for result in results):
        raise RuntimeError(f"not all files were embedded: {results}")


def decode_only(files: list[Path]) -> None:
    """The same segments with the same decoder, on as many cores, and nothing else."""
    from audio_engine.decoding.pool import n_cores

    with ProcessPoolExecutor(n_cores(), mp_context=get_context("spawn")) as processes:
        list(processes.map(_decode, files))


def _decode(file: Path) -> None:
    from features.decode import decode_segments
    from features.recipe import MelRecipe

    decode_segments(file, MelRecipe())


def plain(files: list[Path]) -> None:
    """What most people write: the whole file through librosa, the same network, one track after another."""
    import librosa
    import numpy as np
    import torch

    from features.mel import LOG_FLOOR
    from features.segments import segment_starts
    from metric_learning.embedder import Embedder

    embedder = Embedder.load(device="cpu")
    recipe = embedder.recipe
    for file in files:
        waveform, rate = librosa.load(file, sr=recipe.sample_rate)
        power = librosa.feature.melspectrogram(
            y=waveform,
            sr=rate,
            n_fft=recipe.n_fft,
            hop_length=recipe.hop_length,
            n_mels=recipe.n_mels,
            fmax=recipe.f_max,
        )
        first = segment_starts(waveform.size, recipe) // recipe.hop_length
        log_mel = np.stack([np.log(power[:, start : start + recipe.n_frames] + LOG_FLOOR) for start in first])
        with torch.inference_mode():
            embedder.encoder(torch.from_numpy(log_mel)[None])


def bliss(files: list[Path]) -> None:
    """The 23 numbers of bliss-audio."""
    from bliss_audio import TrackArgument

    for file in files:
        len(TrackArgument(str(file)).analysis)


def sonara(files: list[Path]) -> None:
    """The compact analysis of sonara."""
    import sonara

    for file in files:
        sonara.analyze_file(str(file), mode="compact")


def pymusly(files: list[Path]) -> None:
    """pymusly's default method on a 30-s excerpt from the middle."""
    import pymusly

    if not pymusly.is_ffmpeg_present():
        sys.exit("ffmpeg is not installed (apt-get install ffmpeg)")
    jukebox = pymusly.MuslyJukebox()
    for file in files:
        jukebox.track_from_audiofile(str(file), 30, -48)


CONTESTANTS = {
    "ours": ours,
    "decode only": decode_only,
    "plain script": plain,
    "bliss-audio": bliss,
    "sonara compact": sonara,
    "pymusly 30 s": pymusly,
}

if __name__ == "__main__":
    try:
        CONTESTANTS[sys.argv[1]]([Path(name) for name in sys.argv[2:]])
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed (pip install {sys.argv[1].split()[0]})", file=sys.stderr)
        sys.exit(SKIPPED)
