"""A play log learned into a catalogue's folder, and tracks recalled for all the listeners of it."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from audio_engine.catalogue import Catalogue
from audio_engine.models import Models
from audio_engine.recall.answers import ListenersReport, RecallAllReport
from audio_engine.recall.batch import MOST, SCHEMA, recall_frames
from audio_engine.recall.frames import write_frames
from audio_engine.recall.kept import KeptListeners, keep_listeners
from audio_engine.recall.learning import listener_blocks, prepare_log, read_categories
from audio_engine.recall.names import name_tracks
from audio_engine.recall.offers import offer_of, only, rows_among

if TYPE_CHECKING:
    from audio_engine.recall.towers import KnownTower


def learn_log(  # noqa: PLR0913  (the files of a log)
    catalogue: Catalogue,
    models: Models,
    *,
    out: Path,
    plays: Path,
    users: Path | None,
    table: Path | None,
    audio: Path | None,
    tower: "KnownTower | None",
) -> ListenersReport:
    """Learn the listeners of a log, and write them to a folder; what it does is said at `Recalls.learn_listeners`."""
    model_id = models.answering_id
    track_ids, vectors = catalogue.vectors(model_id)
    by_id = {track.track_id: track for track in catalogue.tracks("embedded")}
    there = [row for row, track_id in enumerate(track_ids) if track_id in by_id]
    names = name_tracks([by_id[track_ids[row]] for row in there], table=table, audio=audio)
    log = prepare_log(plays, names, tower)
    categories = None if users is None else read_categories(users)
    return keep_listeners(
        out,
        listener_blocks(
            log, vectors[there], tower=tower, categories=categories if tower and tower.n_categories else None
        ),
        log=log,
        names=names,
        tower_rows=tower.row_of if tower else None,
        dim=vectors.shape[1],
        model_id=model_id,
    )


def recall_all(  # noqa: PLR0913  (as `Recalls.recall_all`)
    catalogue: Catalogue,
    models: Models,
    kept: KeptListeners,
    *,
    out: Path,
    k: int,
    among: Collection[str] | None,
    max_per_artist: int | None,
    on_done: Callable[[int], None] | None,
) -> RecallAllReport:
    """Find tracks for every listener; what it does is said at `Recalls.recall_all`."""
    if not 1 <= k <= MOST:
        raise ValueError(f"k must be from 1 to {MOST}, got {k}")
    if max_per_artist is not None and max_per_artist < 1:
        raise ValueError(f"max_per_artist must be at least 1, got {max_per_artist}")
    track_ids, vectors = catalogue.vectors(models.answering_id)
    by_id = {track.track_id: track for track in catalogue.tracks("embedded")}
    there = [row for row, track_id in enumerate(track_ids) if track_id in by_id]
    track_ids, vectors = [track_ids[row] for row in there], vectors[there]
    whole = offer_of([by_id[track_id] for track_id in track_ids], vectors)
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    played = [row_of.get(track_id, -1) for track_id in kept.tracks["track_id"]]
    recording_of = np.append(whole.recordings, -1)[played]  # -1 takes what was appended
    rows = rows_among(track_ids, among)
    answers = recall_frames(
        kept.blocks(),
        only(whole, rows),
        track_ids=pl.Series(track_ids, dtype=pl.String).gather(rows),
        recording_of=recording_of,
        k=k,
        max_per_artist=max_per_artist,
    )
    n_rows = _write_counting(answers, out, on_done)
    return RecallAllReport(n_listeners=kept.report.n_listeners, n_rows=n_rows, method=kept.report.method)


def _write_counting(answers: Iterator[pl.DataFrame], out: Path, on_done: Callable[[int], None] | None) -> int:
    """Write answers to a file, telling how many listeners are done; returns the number of rows."""
    n_rows = n_done = 0

    def counted() -> Iterator[pl.DataFrame]:
        nonlocal n_rows, n_done
        for frame in answers:
            yield frame
            n_rows += len(frame)
            n_done += frame["user"].n_unique()
            if on_done is not None:
                on_done(n_done)

    write_frames(counted(), SCHEMA, out)
    return n_rows
