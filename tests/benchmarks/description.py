"""Print how well tempo, key and loudness are measured, and what it costs, as Markdown.

    python -m tests.benchmarks.description --pieces 96 --seed 1

Tempo and key are those of pieces that are rendered for it (``tests.benchmarks.rendered_music``; needs fluidsynth). The
loudness of the same pieces is compared with pyloudnorm's and, where it is installed, with the command ffmpeg's.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyloudnorm
import soundfile

from features.describe import describe_file
from features.description import MAJOR_KEYS, MINOR_KEYS, Description
from tests.benchmarks.rendered_music import STYLES, Piece, pieces, render

WITHIN = 0.04  # of the true tempo, as MIREX has it
OCTAVES = (1.0, 2.0, 3.0, 1 / 2, 1 / 3)  # multiples that count as errors of the octave only
LONG_S = 180.0  # seconds of the piece whose cost is told
WEIGHTS = {"fifth": 0.5, "relative": 0.3, "parallel": 0.2}  # of MIREX's errors of key


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=96)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    drawn = pieces(options.pieces, seed=options.seed)
    with tempfile.TemporaryDirectory() as folder:
        describe_file(render(drawn[0], Path(folder) / "warm.wav"))  # librosa compiles on first use
        found, differences = [], {"pyloudnorm": [], "ffmpeg": []}
        for number, piece in enumerate(drawn):
            path = render(piece, Path(folder) / f"{number}.wav")
            found.append(describe_file(path))
            for name, loudness in _references(path):
                differences[name].append(abs((found[-1].loudness_lufs or 0.0) - loudness))
            path.unlink()
        for line in report(drawn, found):
            print(line)
        for name, each in differences.items():
            if each:
                print(f"loudness against {name}: {np.mean(each):.3f} LU apart on the mean, {max(each):.3f} at most")
        print(f"CPU of a file of {LONG_S:g} s: {', '.join(_costs(Path(folder)))}")


def report(drawn: Sequence[Piece], found: Sequence[Description]) -> Iterator[str]:
    """Print a row a style, and one for all."""
    tempos = [tempo_score(piece.bpm, each.bpm) for piece, each in zip(drawn, found, strict=True)]
    keys = [key_score((piece.tonic, piece.mode), each.key) for piece, each in zip(drawn, found, strict=True)]
    yield "| style | pieces | tempo within 4 % | or its octave | key | MIREX-weighted |"
    yield "|---|---|---|---|---|---|"
    groups = {style.name: [row for row, piece in enumerate(drawn) if piece.style is style] for style in STYLES}
    slow = [row for row, piece in enumerate(drawn) if piece.bpm < 90]
    fast = [row for row, piece in enumerate(drawn) if piece.bpm > 140]
    middle = [row for row in range(len(drawn)) if row not in {*slow, *fast}]
    groups |= {"below 90 beats/min": slow, "90 to 140": middle, "above 140": fast, "all": [*range(len(drawn))]}
    for name, rows in groups.items():
        exact, octave = np.mean([tempos[row] for row in rows], axis=0)
        key, weighted = np.mean([keys[row] for row in rows], axis=0)
        yield f"| {name} | {len(rows)} | {exact:.3f} | {octave:.3f} | {key:.3f} | {weighted:.3f} |"


def tempo_score(true: float, found: float | None) -> tuple[bool, bool]:
    """Say whether a tempo is right, and whether it is right up to a factor of two or three."""
    if found is None:
        return False, False
    right = [abs(found / (true * factor) - 1) <= WITHIN for factor in OCTAVES]
    return right[0], any(right)


def key_score(true: tuple[int, str], found: str) -> tuple[float, float]:
    """Say whether a key is right, and how near it is as MIREX weighs it."""
    if not found:
        return 0.0, 0.0
    mode = "minor" if found in MINOR_KEYS else "major"
    tonic = (MINOR_KEYS if mode == "minor" else MAJOR_KEYS).index(found)
    above = (tonic - true[0]) % 12
    if mode == true[1]:
        return float(above == 0), 1.0 if above == 0 else WEIGHTS["fifth"] if above in {5, 7} else 0.0
    relative = 9 if true[1] == "major" else 3
    return 0.0, {relative: WEIGHTS["relative"], 0: WEIGHTS["parallel"]}.get(above, 0.0)


def _references(path: Path) -> Iterator[tuple[str, float]]:
    """Measure the loudness of a file by other programs."""
    sound, sample_rate = soundfile.read(path)
    yield "pyloudnorm", float(pyloudnorm.Meter(sample_rate).integrated_loudness(sound))
    if shutil.which("ffmpeg"):
        command = ["ffmpeg", "-hide_banner", "-nostats", "-i", str(path), "-af", "ebur128", "-f", "null", "-"]
        words = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        yield "ffmpeg", float(re.findall(r"I:\s+(-?[\d.]+) LUFS", words)[-1])


def _costs(folder: Path) -> Iterator[str]:
    """Measure the CPU time of a long piece, by the kind of its file."""
    piece = Piece(style=STYLES[1], bpm=124.0, tonic=9, mode="minor", seed=0, duration_s=LONG_S)
    wave = render(piece, folder / "long.wav")
    sound, sample_rate = soundfile.read(wave, stop=round(LONG_S * 44_100))
    for ending, kind in (("wav", {}), ("mp3", {}), ("flac", {}), ("opus", {"format": "OGG", "subtype": "OPUS"})):
        path = folder / f"long.{ending}"
        rate = 48_000 if ending == "opus" else sample_rate
        soundfile.write(path, sound, rate, **kind)
        began = time.process_time()
        describe_file(path)
        yield f"{ending} {time.process_time() - began:.2f} s"


if __name__ == "__main__":
    main()
