"""Training data read from files: a play log, users, tracks and their log-mels.

Cold tracks, used for early stopping, are those not marked ``split == train`` in the table of tracks, if their plays are
given; otherwise all tracks of some artists are held out, with their plays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.tag_text import normalised
from audio_engine.genre.folds import groups_of
from audio_engine.plays.demographics import fit_columns, numbers_of
from audio_engine.plays.stored_plays import stored_plays
from audio_engine.plays.tables import TrackTable, read_tracks, read_users, users_of
from audio_engine.plays.track_matching import name_catalogue
from audio_engine.plays.validation import PlayCounts
from audio_engine.training.mel_cache import open_mel_store
from audio_engine.training.training import ListeningData
from features.recipe import MelRecipe
from metric_learning.listening_module import ColdTracks
from metric_learning.play_log import feedback_cells, rows_of
from metric_learning.stored_mels import StoredMels

COLD = "tracks outside split == train"  # as errors call them
COLD_SHARE = 0.15  # of the artists, held out to say when to stop where no cold plays are given


@dataclass(frozen=True, kw_only=True)
class PlayFiles:
    """The files of a play log."""

    plays: Path  # of warm tracks
    users: Path | None = None  # demographic columns; None: none are known
    cold_plays: Path | None = None  # of cold tracks, for stopping; None: some artists are held out of the warm ones


def read_catalogue_tracks(directory: Path, *, table: Path | None = None, audio: Path | None = None) -> TrackTable:
    """Take the tracks of a catalogue: an artist tag is the artist, a track without one is its own.

    Parameters
    ----------
    directory
        Of the catalogue.
    table, audio
        What else the log may call the tracks, and the folder of its paths: see `name_catalogue`.

    Returns
    -------
    tracks

    Raises
    ------
    CatalogueError, FileNotFoundError, NotADirectoryError
        As `Catalogue`; none is made.
    """
    with Catalogue(directory, create=False) as catalogue:
        tracks = catalogue.tracks("embedded")
    return TrackTable(
        names=name_catalogue(tracks, table=table, audio=audio),
        table=pl.DataFrame(
            {"artist_key": [normalised(track.tags.artist) for track in tracks]}, {"artist_key": pl.String}
        ),
    )


def split_tracks(path: Path, audio: Path) -> tuple[TrackTable, TrackTable]:
    """Read a table of tracks as warm ones (``split == train``, or all where it has no such column) and the others.

    Parameters
    ----------
    path
        The table: ``track``, ``file``, and where there are such, ``split``, ``artist_key`` and ``duration_s``.
    audio
        Folder of the files.

    Returns
    -------
    warm, cold

    Raises
    ------
    ValueError
        When no track is warm.
    """
    tracks = read_tracks(path, audio)
    if "split" not in tracks.table.columns:
        return tracks, tracks.none()
    is_warm = (tracks.table["split"] == "train").fill_null(value=False).to_numpy()
    if not is_warm.any():
        raise ValueError(f"tracks must hold some of split 'train', got none of {len(tracks)} in {path}")
    return tracks.where(is_warm), tracks.where(~is_warm)


def read_listening(  # noqa: PLR0913  (files, their tracks, and how they are read)
    files: PlayFiles,
    tracks: tuple[TrackTable, TrackTable],
    *,
    recipe: MelRecipe,
    store: Path,
    seed: int = 0,
    hold_out: bool = True,
) -> tuple[ListeningData, PlayCounts]:
    """Read a play log and what goes with it.

    Parameters
    ----------
    files
        The log.
    tracks
        Warm and cold ones; of cold ones without plays no use is made.
    recipe, store
        Of log-mels that have been built; tracks that could not be read are left out, with their plays.
    seed
        Of which artists are held out where no cold plays are given.
    hold_out
        Whether any are; without, no track is cold then.

    Returns
    -------
    data
    counts
        What was left out of the log of warm tracks.

    Raises
    ------
    ValueError
        When no play is left, of warm tracks or of cold ones.
    """
    (warm, warm_mels), (cold, cold_mels) = (_readable(table, recipe, store) for table in tracks)
    users, user_table = read_users(files.users) if files.users else users_of(files.plays)
    columns = fit_columns(user_table)
    is_cold = np.zeros(len(warm), np.bool_)
    if hold_out and not files.cold_plays:
        is_cold = hold_out_artists(joined_artists(warm.artist_keys), seed=seed)
    with stored_plays(files.plays, users, warm) as stored:
        counts = stored.counts
        require_plays(counts, files.plays)
        by_user, by_track = (stored.in_order_of(column, rows_of(~is_cold)) for column in ("user", "track"))
        truth = stored.opinions(rows_of(is_cold))
    if files.cold_plays:
        with stored_plays(files.cold_plays, users, cold) as stored:
            require_plays(stored.counts, files.cold_plays, of=COLD)
            truth = stored.opinions(np.arange(len(cold)))
    else:
        cold, cold_mels = warm.where(is_cold), warm_mels.where(is_cold)
        warm, warm_mels = warm.where(~is_cold), warm_mels.where(~is_cold)
    data = ListeningData(
        n_users=len(users),
        columns=columns,
        categories=numbers_of(user_table, columns),
        warm_ids=warm.track_ids,
        warm_artists=warm.artist_keys,
        warm_mels=warm_mels,
        plays=by_user,
        plays_by_track=by_track,
        cold=ColdTracks(log_mel=cold_mels, feedback=feedback_cells(truth, len(users), len(cold))),
    )
    return data, counts


def require_plays(counts: PlayCounts, plays: Path, *, of: str = "tracks") -> None:
    """Refuse a log of which no play is left.

    Parameters
    ----------
    counts
        Of the log.
    plays
        The log, to name it.
    of
        Which tracks are meant.

    Raises
    ------
    ValueError
        When every play is left out, or there is none.
    """
    if counts.rows == counts.left_out:
        raise ValueError(f"{plays.name} must hold plays of {of} whose audio can be read, got none ({counts})")


def hold_out_artists(artists: Sequence[str], *, seed: int) -> NDArray[np.bool_]:
    """Choose tracks to stop on where no cold plays are given: all those of some artists.

    Parameters
    ----------
    artists : (n_tracks,)
        Of each track, as `joined_artists` gives them: those who made a track together stay together.
    seed
        Of the choice.

    Returns
    -------
    is_cold : (n_tracks,)
    """
    names, n_tracks = np.unique(np.array(artists), return_counts=True)
    small = names[n_tracks <= max(COLD_SHARE * len(artists), min(n_tracks, default=0))]  # one with half of all is warm
    n_chosen = min(len(names) - 1, max(1, round(COLD_SHARE * len(names))))  # the only artist is warm
    chosen = np.random.default_rng(seed).permutation(small)[:n_chosen]
    return np.isin(np.array(artists), chosen)


def joined_artists(artists: Sequence[str]) -> list[str]:
    """Give artists who made a track together, and those joined by others in this way, the first of their names.

    Parameters
    ----------
    artists : (n_tracks,)
        As tags name them: several where there is a separator.

    Examples
    --------
    >>> joined_artists(["Anna; Ben", "ben", "Cy"])
    ['Anna; Ben', 'Anna; Ben', 'Cy']
    """
    groups = groups_of(artists, np.zeros((0, 1), np.float32))
    first: dict[int, str] = {}
    for group, artist in zip(groups.tolist(), artists, strict=True):
        first[group] = min(first.get(group, artist), artist)
    return [first[group] for group in groups.tolist()]


def _readable(tracks: TrackTable, recipe: MelRecipe, store: Path) -> tuple[TrackTable, StoredMels]:
    """Keep the tracks that have log-mels, and open those."""
    if len(tracks) == 0:
        none = np.zeros((0, recipe.n_segments, recipe.n_mels, recipe.n_frames), np.float16)
        return tracks, StoredMels(none, np.zeros(0, np.int64))
    opened = open_mel_store(tracks.by_id, recipe, store)
    there = set(opened.track_ids)
    kept = tracks.where(np.array([track_id in there for track_id in tracks.track_ids]))
    return kept, opened.read(kept.track_ids)
