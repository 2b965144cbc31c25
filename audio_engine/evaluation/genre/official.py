"""Readers of public genre datasets in their official layouts, with their official splits.

Nothing is downloaded here. GTZAN and Ballroom are read through mirdata, which downloads and checks them; FMA and
MTG-Jamendo have no genre loader there, and are read from their official metadata.
"""
# ruff: noqa: PLC0415  (mirdata is of the extra "genre")

import errno
import os
from pathlib import Path
from typing import Any

import polars as pl

from audio_engine.evaluation.genre.dataset import GenreDataset, GenreTrack, Part
from audio_engine.evaluation.genre.readers import require_folder

N_JAMENDO_SPLITS = 5
JAMENDO_PARTS = {"train": Part.TRAIN, "validation": Part.VALID, "test": Part.TEST}
GENRE_TAG = "genre---"  # prefix of MTG-Jamendo's genre tags
FMA_SUBSETS = ("small", "medium", "large")  # each includes the one before
FMA_PARTS = {"training": Part.TRAIN, "validation": Part.VALID, "test": Part.TEST}


def read_gtzan(home: Path, *, artists: Path | None = None) -> GenreDataset:
    """Read GTZAN through mirdata, with the fault-filtered split of 443, 197 and 290 tracks as listed by torchaudio.

    Parameters
    ----------
    home
        mirdata's ``data_home``: ``mirdata.initialize("gtzan_genre", data_home=home).download()`` fills it.
    artists
        A CSV with the columns ``file`` (``blues.00000.wav``) and ``artist``, for the artist-filtered protocol: neither
        mirdata nor the dataset names artists; Sturm's index does (arXiv:1306.1461, and its companion page).

    References
    ----------
    C. Kereliuk, B. L. Sturm, J. Larsen, Deep learning and music adversaries, IEEE TMM 17(11), 2015: the split.
    """
    from torchaudio.datasets import gtzan

    part_of = dict.fromkeys(gtzan.filtered_train, Part.TRAIN)
    part_of |= dict.fromkeys(gtzan.filtered_valid, Part.VALID) | dict.fromkeys(gtzan.filtered_test, Part.TEST)
    artist_of: dict[str, str] = {}
    if artists is not None:
        rows = pl.read_csv(artists, infer_schema=False, glob=False, columns=["file", "artist"])
        artist_of = {Path(file).stem: artist for file, artist in rows.iter_rows()}
    tracks = tuple(
        GenreTrack(
            path=Path(track.audio_path),
            genres=(track.genre,),
            artist=artist_of.get(name),
            parts=(part_of.get(name, Part.LEFT_OUT),),
        )
        for name, track in _mirdata_tracks("gtzan_genre", home).items()
    )
    return GenreDataset(name="GTZAN", tracks=_present(tracks, home))


def read_ballroom(home: Path) -> GenreDataset:
    """Read Ballroom through mirdata: ``mirdata.initialize("ballroom", data_home=home).download()`` fills home."""
    tracks = tuple(
        GenreTrack(path=Path(track.audio_path), genres=(track.genre,))
        for track in _mirdata_tracks("ballroom", home).values()
    )
    return GenreDataset(name="Ballroom", tracks=_present(tracks, home))


def read_fma(home: Path, *, subset: str) -> GenreDataset:
    """Read FMA with its official split (which separates artists).

    Parameters
    ----------
    home
        Holds ``fma_metadata/tracks.csv`` and the folder of audio ``fma_SUBSET``, as unpacked from their archives.
    subset
        "small", "medium" or "large".

    References
    ----------
    M. Defferrard et al., FMA: a dataset for music analysis, ISMIR 2017.
    """
    if subset not in FMA_SUBSETS:
        raise ValueError(f"subset must be one of {', '.join(FMA_SUBSETS)}, got {subset!r}")
    table = home / "fma_metadata" / "tracks.csv"
    _require_file(table)
    rows = pl.read_csv(table, has_header=False, infer_schema=False, glob=False)
    headings = list(zip(rows.row(0), rows.row(1), strict=True))  # the third line only names the first column
    required = [("set", "subset"), ("set", "split"), ("track", "genre_top"), ("artist", "id")]
    if missing := [heading for heading in required if heading not in headings]:
        raise ValueError(f"tracks.csv must have a column {' / '.join(missing[0])}, got none in {table}")
    values = rows[3:].select(pl.nth(0, *(headings.index(heading) for heading in required)))
    subsets = FMA_SUBSETS[: FMA_SUBSETS.index(subset) + 1]
    tracks = tuple(
        GenreTrack(
            path=home / f"fma_{subset}" / f"{int(track):06}"[:3] / f"{int(track):06}.mp3",
            genres=(genre,),
            artist=artist,
            parts=(FMA_PARTS[split],),
        )
        for track, of_subset, split, genre, artist in values.iter_rows()
        if of_subset in subsets and genre
    )
    return GenreDataset(name=f"FMA {subset}", tracks=_present(tracks, home / f"fma_{subset}"))


def read_jamendo(home: Path, *, audio: Path | None = None) -> GenreDataset:
    """Read the genre part of MTG-Jamendo: 87 tags, any number per track, five official splits.

    Parameters
    ----------
    home
        The dataset's repository, which holds ``data/splits``.
    audio
        The folder of ``14/214.mp3``, or of ``14/214.low.mp3``; by default ``home/audio``.

    References
    ----------
    D. Bogdanov et al., The MTG-Jamendo dataset for automatic music tagging, ML4MD at ICML 2019.
    """
    audio = audio or home / "audio"
    rows: dict[str, tuple[str, list[str]]] = {}  # by path: artist and tags
    parts: dict[str, list[Part]] = {}
    for number in range(N_JAMENDO_SPLITS):
        for name, part in JAMENDO_PARTS.items():
            for path, artist, tags in _jamendo_rows(
                home / "data" / "splits" / f"split-{number}" / f"autotagging_genre-{name}.tsv"
            ):
                rows[path] = (artist, tags)
                parts.setdefault(path, [Part.LEFT_OUT] * N_JAMENDO_SPLITS)[number] = part
    tracks = tuple(
        GenreTrack(path=_jamendo_file(audio, path), genres=tuple(tags), artist=artist, parts=tuple(parts[path]))
        for path, (artist, tags) in rows.items()
    )
    return GenreDataset(name="MTG-Jamendo genre", tracks=_present(tracks, audio), is_multilabel=True)


def _mirdata_tracks(name: str, home: Path) -> dict[str, Any]:
    """Load the tracks of a dataset that mirdata knows."""
    import mirdata

    require_folder(home)
    dataset = mirdata.initialize(name, data_home=str(home))
    if not Path(dataset.index_path).is_file():
        raise FileNotFoundError(
            errno.ENOENT,
            f"mirdata has no index of {name} yet: python -c \"import mirdata; mirdata.initialize('{name}', "
            f"data_home='{home}').download()\"",
            str(dataset.index_path),
        )
    tracks: dict[str, Any] = dataset.load_tracks()
    return tracks


def _jamendo_rows(table: Path) -> list[tuple[str, str, list[str]]]:
    """Read path, artist and genres of each line; each tag has its own column."""
    _require_file(table)
    lines = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    return [
        (path, artist, [tag.removeprefix(GENRE_TAG) for tag in tags if tag.startswith(GENRE_TAG)])
        for _, artist, _, path, _, *tags in lines
    ]


def _jamendo_file(audio: Path, path: str) -> Path:
    """Find a track in full or in low quality."""
    whole, low = audio / path, audio / Path(path).with_suffix(".low.mp3")
    return low if low.is_file() and not whole.is_file() else whole


def _present(tracks: tuple[GenreTrack, ...], audio: Path) -> tuple[GenreTrack, ...]:
    """Refuse a dataset without any audio; single missing files are reported when read."""
    if not any(track.path.is_file() for track in tracks):
        raise FileNotFoundError(errno.ENOENT, "none of the dataset's audio files exist", str(audio))
    return tracks


def _require_file(file: Path) -> None:
    if not file.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
