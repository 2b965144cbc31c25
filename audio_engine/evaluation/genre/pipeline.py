"""The genre benchmark, from a dataset on disk to a report, as ``audio-engine benchmark genre`` does it."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from platformdirs import user_cache_path

from audio_engine.evaluation.genre import official, readers
from audio_engine.evaluation.genre.benchmark import evaluate_genre
from audio_engine.evaluation.genre.choices import Kind, Layout, Protocol, Unit
from audio_engine.evaluation.genre.dataset import GenreDataset
from audio_engine.evaluation.genre.encoders import MUSICNN, default_names, load_encoders
from audio_engine.evaluation.genre.report import GenreReport
from audio_engine.evaluation.genre.vectors import Degradation
from metric_learning.embedder import Embedder

logger = logging.getLogger(__name__)


def benchmark_genre(  # noqa: PLR0913  (one command, with its options)
    dataset: Path,
    *,
    layout: Layout | str = Layout.OWN,
    audio: Path | None = None,
    artists: Path | None = None,
    genres: Sequence[str] | None = None,
    encoders: Sequence[str] | None = None,
    model: Path | None = None,
    kinds: Sequence[Kind] = tuple(Kind),
    protocol: Protocol | str | None = None,
    unit: Unit | str = Unit.SEGMENT,
    robustness: bool = True,
    cache_dir: Path | None = None,
    seed: int = 0,
    on_progress: Callable[[str], None] = logger.info,
) -> GenreReport:
    """Measure how well frozen vectors separate genres: ours and others, on clean and degraded audio.

    Parameters
    ----------
    dataset
        A folder of ``genre/track``, a CSV or Parquet table, or the folder of a known dataset.
    layout
        How the dataset lies on disk.
    audio
        Folder of the files of a table, or of MTG-Jamendo; None: beside the table.
    artists
        For GTZAN, a CSV with the columns ``file`` and ``artist``.
    genres
        Keep only tracks of these; None: of all.
    encoders
        Names: ours, mfcc, mfcc-44k, mel, untrained, musicnn or ``module:callable``; None: all that can run here. The
        first is compared with every other.
    model
        Folder of our model; None: the one in the package.
    kinds
        The classifiers.
    protocol
        How tracks are split; None: officially where the dataset has splits, artist-filtered otherwise.
    unit
        Whether predictions are averaged over 3-s segments, or made from one vector per track.
    robustness
        Whether to evaluate on degraded test tracks too.
    cache_dir
        Cache of vectors between runs; None: the user's cache.
    seed
        Of folds, bootstrap, classifiers and the untrained network.
    on_progress
        Called with a line of text at each step; by default it is logged.

    Returns
    -------
    report
        With the files that could not be read, and notes for the reader; `page.write_report` writes it as
        JSON, Markdown, figures and a page.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        When the dataset, its audio or the model is missing.
    ValueError
        When a table lacks a column, an encoder, genre, layout, protocol or unit is unknown, or the dataset cannot be
        split that way.
    """
    tracks = read_dataset(dataset, Layout(layout), audio=audio, artists=artists)
    if genres is not None:
        tracks = tracks.only(genres)
    names = encoders or default_names()
    if not encoders and MUSICNN not in names:
        on_progress("without MusiCNN, whose weights are not here: pip install --no-deps musicnn")
    on_progress(f"{len(tracks.tracks)} tracks, {len(tracks.genres)} genres; encoders: {', '.join(names)}")
    return evaluate_genre(
        tracks,
        load_encoders(names, embedder=Embedder.load(model), seed=seed),
        protocol=Protocol(protocol or (Protocol.OFFICIAL if tracks.n_splits else Protocol.ARTIST_FILTERED)),
        unit=Unit(unit),
        cache_dir=cache_dir or user_cache_path("audio-engine") / "genre-benchmark",
        kinds=kinds,
        degradations=tuple(Degradation) if robustness else (Degradation.CLEAN,),
        seed=seed,
    )


def read_dataset(dataset: Path, layout: Layout, *, audio: Path | None, artists: Path | None) -> GenreDataset:
    """Read a dataset by its layout."""
    match layout:
        case Layout.GTZAN:
            return official.read_gtzan(dataset, artists=artists)
        case Layout.FMA_SMALL | Layout.FMA_MEDIUM:
            return official.read_fma(dataset, subset=layout.removeprefix("fma-"))
        case Layout.JAMENDO:
            return official.read_jamendo(dataset, audio=audio)
        case Layout.BALLROOM:
            return official.read_ballroom(dataset)
        case Layout.OWN:
            return readers.read_folder(dataset) if dataset.is_dir() else readers.read_table(dataset, audio=audio)
