"""Print the time of decoding 30 s in ten segments, by format and decoder, and of resampling, as Markdown.

    python -m tests.benchmarks.decoders --tracks DIR [--work DIR]

DIR is the folder of ``tests.benchmarks.embedding_speed``. TorchCodec is skipped if it, or the FFmpeg it needs, is not
installed. Each figure is the minimum of several runs in this thread.
"""
# ruff: noqa: PLC0415  (TorchCodec may be missing)

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from scipy.signal import resample_poly

from features.decode_errors import DecodeError
from features.readers import FfmpegReader, Reader, SndfileReader
from features.recipe import MelRecipe
from features.resample import resample
from features.segments import segment_starts
from tests.benchmarks.speed_sets import CODECS, LENGTH_S, full_length, make_set

RECIPE = MelRecipe()
EDGE_S = 0.05  # as in features.decode
N_TURNS = 5
FROM_RATE, TO_RATE = 48_000, RECIPE.sample_rate  # Hz


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="where the files are made, and kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    decoders = {
        "python-soundfile": lambda path: by_reader(path, SndfileReader),
        "PyAV": lambda path: by_reader(path, FfmpegReader),
        "TorchCodec": by_torchcodec,
    }
    print("| CPU ms for 30 s of 180 s | " + " | ".join(decoders) + " |")
    print("|---" * (len(decoders) + 1) + "|")
    with tempfile.TemporaryDirectory() as scratch:
        for ending in ("ogg", *CODECS):
            files = make_set(
                full_length(options.tracks, "wesnoth-1.16-music"), options.work or Path(scratch), ending, 2
            )
            print(f"| {ending} | " + " | ".join(cell(decoder, files) for decoder in decoders.values()) + " |")
    print_resamplers()


def cell(decoder: Callable[[Path], None], files: list[Path]) -> str:
    """Milliseconds a file, or a dash where the decoder cannot."""
    try:
        return f"{1_000 * np.mean([least_s(lambda file=file: decoder(file)) for file in files]):.0f}"
    except (DecodeError, ImportError, OSError, RuntimeError):
        return "–"


def by_reader(path: Path, open_reader: Callable[..., Reader]) -> None:
    with path.open("rb", buffering=0) as file:
        reader = open_reader(file)
        for start in segment_starts(LENGTH_S * TO_RATE, RECIPE) / TO_RATE:
            n_samples = round((RECIPE.segment_s + 2 * EDGE_S) * reader.sample_rate)
            reader.read(round((start - EDGE_S) * reader.sample_rate), n_samples)


def by_torchcodec(path: Path) -> None:
    from torchcodec.decoders import AudioDecoder

    decoder = AudioDecoder(path)
    for start in segment_starts(LENGTH_S * TO_RATE, RECIPE) / TO_RATE:
        decoder.get_samples_played_in_range(start - EDGE_S, start + RECIPE.segment_s + EDGE_S).data.mean(0)


def print_resamplers() -> None:
    """Time and fidelity: sines below 18 kHz against the same computed at the other rate; what is left of 23 kHz."""
    rng = np.random.default_rng(0)
    sines_hz, phases = rng.uniform(50, 18_000, 200), rng.uniform(0, 2 * np.pi, 200)

    def sines(rate: int) -> NDArray[np.float32]:
        seconds = np.arange(round((RECIPE.segment_s + 2 * EDGE_S) * rate)) / rate
        waves = (np.sin(2 * np.pi * hertz * seconds + phase) for hertz, phase in zip(sines_hz, phases, strict=True))
        return np.asarray(sum(waves) / 40, np.float32)

    source, wanted = sines(FROM_RATE), sines(TO_RATE)
    beyond = np.sin(2 * np.pi * 23_000 * np.arange(source.size) / FROM_RATE).astype(np.float32)
    by_torchaudio = torchaudio.transforms.Resample(FROM_RATE, TO_RATE)
    resamplers = {
        "soxr HQ (ours)": lambda x: resample(x, FROM_RATE, TO_RATE),
        "torchaudio": lambda x: by_torchaudio(torch.from_numpy(x)).numpy(),
        "scipy resample_poly": lambda x: resample_poly(x, 147, 160),
    }
    print("\n| 48 to 44.1 kHz | CPU ms for 30 s | signal to error, below 18 kHz | what is left of 23 kHz |")
    print("|---|---|---|---|")
    inner = slice(TO_RATE // 10, -TO_RATE // 10)
    for name, resampler in resamplers.items():
        error = resampler(source)[: wanted.size] - wanted
        kept_db = 10 * np.log10(np.mean(wanted[inner] ** 2) / np.mean(error[inner] ** 2))
        left_db = 10 * np.log10(2 * np.mean(resampler(beyond)[inner] ** 2))
        taken_ms = 1_000 * RECIPE.n_segments * least_s(lambda resampler=resampler: resampler(source))
        print(f"| {name} | {taken_ms:.0f} | {kept_db:.0f} dB | {left_db:.0f} dB |")


def least_s(work: Callable[[], object]) -> float:
    """CPU seconds of the best of several runs."""
    taken = []
    for _ in range(N_TURNS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    main()
