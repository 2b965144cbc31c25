"""Print the evidence for the thresholds of `audio_engine.catalogue.duplicates` as Markdown.

    python -m tests.benchmarks.duplicates --tracks ../shared/world/tracks.parquet --audio ../shared/audio

The true copies among the shared excerpts were found without any model, by comparing all 152,628 pairs: correlation of
the whitened log-mel movement over every lag, then, of the 400 best pairs, the phase-transform cross-correlation of the
waveforms. Copies and versions exceed its background by 44 deviations or more, other pairs by 19 at most. The last
laps are identified by their chromagrams, which correlate by 0.81 and 0.86 once one is stretched by 7 %, and by 0.35
and 0.27 at the median of other stretches.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.catalogue.duplicates import COPY_SIMILARITY, NAMED_COPY_SIMILARITY
from audio_engine.decoding.degradations import encode_mp3, quieter
from features.decode import decode
from features.segments import cut_segments
from metric_learning.embedder import Embedder

COPIES = {  # one recording, twice
    ("e3837d14bff8", "ac3bee8d63f4"): "same samples (cavepacker, caveexpress)",
    ("e9aa1c401741", "96eeddd117ca"): "same samples (cavepacker, caveexpress)",
    ("48d60001289b", "6e6413d04f8e"): "same samples (widelands)",
    ("6411644d56ea", "2ec6ab5f76eb"): "same samples (triplea)",
    ("aa3fb93aa63a", "dbe52e843039"): "same samples (pinball)",
    ("7c3c1560b1db", "ed836d54e470"): "4 dB louder, encoded anew (warmux)",
    ("d2514746c645", "3fd74f3e4681"): "cut by 4 s, excerpt shifted by 2 s, another rendering (drascula)",
}
VERSIONS = {  # one piece, but another arrangement or mix: not copies
    ("3f33240d8e83", "8cbe707d6e67"): "a long and a short version (ardentryst)",
    ("cbe1b70aadf4", "7c5bf26dd6b6"): "two tunes over one backing (tumiki-fighters)",
    ("d6f3d73f5325", "d639e4f189e4"): "same tempo and length (supertuxkart)",
    ("bdc58496887f", "c89dae2082ec"): "a race and its last lap, 7 % faster (supertuxkart)",
    ("fecd8166ab35", "22d71b911d6d"): "a race and its last lap, 7 % faster (supertuxkart)",
}
THRESHOLDS = (0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999)
CUT_S = 4.0  # seconds taken off the beginning
MP3_SAMPLE_RATE, MP3_BIT_RATES = 44_100, (64_000, 128_000)  # Hz, bit/s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--every", type=int, default=1, help="make copies of every n-th track only")
    options = parser.parse_args()
    table = pl.read_parquet(options.tracks)
    embedder = Embedder.load(options.model)
    names = ("whole", *(f"MP3 at {rate // 1000} kbit/s" for rate in MP3_BIT_RATES), "-6 dB", f"cut by {CUT_S:g} s")
    found = [
        embed_versions(options.audio / file, embedder, with_copies=number % options.every == 0)
        for number, file in enumerate(table["file"])
    ]
    whole = np.stack([vectors[0] for vectors in found])
    made = np.stack([vectors for vectors in found if len(vectors) == len(names)])
    for line in report(table, whole, dict(zip(names[1:], (made[:, 0:1] * made[:, 1:]).sum(axis=2).T, strict=True))):
        print(line)


def embed_versions(file: Path, embedder: Embedder, *, with_copies: bool) -> NDArray[np.float32]:
    """Embed a track and, where asked for, copies made of it: (n_versions, dim)."""
    rate = embedder.recipe.sample_rate
    waveform = decode(file, rate)
    versions = [waveform]
    if with_copies:
        source = decode(file, MP3_SAMPLE_RATE)
        versions += [decode(encode_mp3(source, MP3_SAMPLE_RATE, bit_rate), rate) for bit_rate in MP3_BIT_RATES]
        versions += [quieter(waveform), waveform[round(CUT_S * rate) :]]
    return embedder.embed(np.stack([cut_segments(version, embedder.recipe) for version in versions]))


def report(
    table: pl.DataFrame, whole: NDArray[np.float32], to_made_copies: dict[str, NDArray[np.float32]]
) -> Iterator[str]:
    """Write the tables."""
    row_of = {track_id: row for row, track_id in enumerate(table["track"])}
    similarities = whole @ whole.T
    yield "| two tracks | similarity |"
    yield "|---|---|"
    for pairs, kind in ((COPIES, "copy"), (VERSIONS, "version")):
        for (one, other), what in pairs.items():
            yield f"| {kind}: {what} | {similarities[row_of[one], row_of[other]]:.4f} |"
    is_pair = np.triu(np.ones_like(similarities, dtype=bool), 1)
    for one, other in (*COPIES, *VERSIONS):
        is_pair[row_of[one], row_of[other]] = is_pair[row_of[other], row_of[one]] = False
    rows, columns = np.nonzero(is_pair)
    order = np.argsort(-similarities[rows, columns])[:8]
    for row, column in zip(rows[order], columns[order], strict=True):
        names = " and ".join(f"{table['track'][int(each)]} of {table['package'][int(each)]}" for each in (row, column))
        yield f"| other: {names} | {similarities[row, column]:.4f} |"
    in_train = (table["split"] == "train").to_numpy()
    both = is_pair & in_train[:, np.newaxis] & in_train
    copies = np.array([similarities[row_of[one], row_of[other]] for one, other in COPIES])
    heads = ["from here up", f"copies, of {len(copies)}"]
    heads += [f"other train pairs, of {both.sum()}", f"all other pairs, of {is_pair.sum()}"]
    heads += [f"{name}, of {len(values)}" for name, values in to_made_copies.items()]
    yield ""
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for threshold in THRESHOLDS:
        counts = [copies >= threshold, similarities[both] >= threshold, similarities[is_pair] >= threshold]
        counts += [values >= threshold for values in to_made_copies.values()]
        mark = {COPY_SIMILARITY: " (alone)", NAMED_COPY_SIMILARITY: " (with one name)"}.get(threshold, "")
        yield f"| {threshold}{mark} | " + " | ".join(str(int(each.sum())) for each in counts) + " |"


if __name__ == "__main__":
    main()
