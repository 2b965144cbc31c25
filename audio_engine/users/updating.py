"""Updating of profiles: new plays are added to the state of the old ones, in a folder that replaces the one before.

In the folder are ``tastes.sqlite`` (`taste_store`), ``tracks.parquet`` (`track_facts`), ``sounds.npz`` (the centres of
the clusters of sound, kept from update to update so that their meaning stays) and ``persona.json`` (what personas are
compared with).
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.atomic_files import whole_folder
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import reading
from audio_engine.plays.track_matching import TrackNames, name_catalogue
from audio_engine.plays.validation import PlayCounts, count_plays, validate_plays
from audio_engine.recall.user_profile import HALF_LIFE_DAYS
from audio_engine.users.persona import SAMPLE_PLAYS, Listening, angles, measure, user_vectors
from audio_engine.users.persona_stars import Calibration, calibrate
from audio_engine.users.profile_folder import REPORT, stamp_of
from audio_engine.users.sounds import learn_centres, with_sounds
from audio_engine.users.taste_store import TasteStore, add_batches
from audio_engine.users.track_facts import facts_of
from metric_learning.atomic_files import restore_folder

TASTES, FACTS, SOUNDS, PERSONA = "tastes.sqlite", "tracks.parquet", "sounds.npz", "persona.json"
PLAYS_A_BATCH = 500_000
USERS_MEASURED = 20_000  # of more users, a sample of about so many stands for all: within 0.7 points of a percentile

NO_PLAYS = PlayCounts(**dict.fromkeys((field.name for field in fields(PlayCounts)), 0))

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class UpdateReport:
    """What an update did, and what there is now."""

    n_added: int  # plays
    n_left_out: int  # rows of the log that could not be used
    left_out: dict[str, int]  # of them, by reason
    n_users: int  # in all
    n_plays: int  # in all
    n_pairs: int  # of user and track
    n_measured: int  # users that have a persona, of those that the others are compared with
    n_sounds: int  # clusters
    last_day: float


def update_profiles(  # noqa: PLR0913  (the files of an update)
    directory: Path,
    plays: Path | None,
    *,
    catalogue: Catalogue,
    model_id: str,
    tracks: Path | None = None,
    audio: Path | None = None,
    half_life_days: float | None = None,
    rebuild: bool = False,
) -> UpdateReport:
    """Add the plays of a log to the profiles in a folder.

    Parameters
    ----------
    directory
        The folder; it is replaced as a whole.
    plays
        The log, as `audio_engine.plays.formats.scan_plays` reads it; None: no new plays, but facts of tracks, sounds
        and what personas are compared with are made anew, for a catalogue whose tags or model have changed.
    catalogue, model_id
        Whose tracks are played, and whose vectors are used.
    tracks
        Names in the log, and facts of tracks: see `track_facts.facts_of`.
    audio
        The folder that paths in `tracks` start from; its own by default.
    half_life_days
        Age at which a play counts half; None: as before, or 120 at first.
    rebuild
        Forget the plays that were added before.

    Raises
    ------
    FileNotFoundError
        When a file is missing.
    NotTrainedError
        When there are neither plays nor profiles.
    ValueError
        When no play is of a track of the catalogue, the log was added before, the half-life is another than before, or
        somebody else updated the profiles meanwhile.
    """
    embedded = catalogue.tracks("embedded")
    names = name_catalogue(embedded, table=tracks, audio=audio)
    restore_folder(directory)
    is_first = plays is not None and (rebuild or not (directory / TASTES).exists())
    before = None if is_first else TasteStore(directory / TASTES)
    half_life_days = half_life_days or (before.half_life_days if before else HALF_LIFE_DAYS)
    stamp = stamp_of(directory)
    with whole_folder(directory) as temporary:
        if before:
            shutil.copyfile(directory / TASTES, temporary / TASTES)
        counts = NO_PLAYS if plays is None else _add(temporary, plays, names, half_life_days=half_life_days)
        track_ids, vectors = catalogue.vectors(model_id)
        centres = _centres(None if rebuild else directory / SOUNDS, vectors, model_id)
        np.savez(temporary / SOUNDS, centres=centres, model_id=np.array(model_id))
        facts = with_sounds(facts_of(embedded, names, table=tracks), track_ids, vectors, centres)
        facts.write_parquet(temporary / FACTS)
        store = TasteStore(temporary / TASTES)
        calibration = _calibrate(store, listening_of(store, facts, track_ids, vectors), model_id)
        calibration.save(temporary / PERSONA)
        report = _report(store, counts, n_measured=calibration.n_users, n_sounds=len(centres))
        (temporary / REPORT).write_text(json.dumps(asdict(report)) + "\n", encoding="utf-8")
        if stamp_of(directory) != stamp:
            raise ValueError("profiles must be updated by one process at a time (another did meanwhile: run it again)")
    return report


def listening_of(store: TasteStore, facts: pl.DataFrame, track_ids: list[str], vectors: Floats) -> Listening:
    """Put together what the measures of a persona need."""
    reach = store.totals().select("track", reach=pl.col("n_users") / store.n_users)
    rows = dict(zip(track_ids, range(len(track_ids)), strict=True))
    return Listening(facts=facts, reach=reach, rows=rows, vectors=vectors, half_life_days=store.half_life_days)


def _report(store: TasteStore, counts: PlayCounts, *, n_measured: int, n_sounds: int) -> UpdateReport:
    """Sum an update up."""
    return UpdateReport(
        n_added=counts.rows - counts.left_out,
        n_left_out=counts.left_out,
        left_out=counts.reasons,
        n_users=store.n_users,
        n_plays=store.n_plays,
        n_pairs=store.n_pairs,
        n_measured=n_measured,
        n_sounds=n_sounds,
        last_day=store.last_day,
    )


def _add(folder: Path, plays: Path, names: TrackNames, *, half_life_days: float) -> PlayCounts:
    """Add the usable plays of a log, batch by batch, by way of a file without the others."""
    with reading(plays):
        judged = validate_plays(scan_plays(plays), names.table)
        counts = count_plays(judged)
        if counts.rows == counts.left_out:
            raise ValueError(f"{plays.name} must hold plays of tracks of the catalogue, got none ({counts})")
        good = judged.filter(pl.col("reason").is_null())
        usable = folder / "plays.parquet"
        good.select("user", "row", pl.col("day").fill_null(0.0), "completion", "action").sink_parquet(usable)
    ids = pl.Series(names.track_ids, dtype=pl.String)

    def batches() -> Iterator[pl.DataFrame]:
        for start in range(0, counts.rows - counts.left_out, PLAYS_A_BATCH):
            batch = pl.scan_parquet(usable, glob=False).slice(start, PLAYS_A_BATCH).collect()
            yield batch.with_columns(track=ids.gather(batch["row"]))

    fingerprint = _fingerprint(plays)
    add_batches(folder / TASTES, batches(), name=plays.name, fingerprint=fingerprint, half_life_days=half_life_days)
    usable.unlink()
    return counts


def _fingerprint(plays: Path) -> str:
    """Hash the bytes of a log."""
    digest = hashlib.sha256()
    for file in sorted(plays.glob("*.parquet")) if plays.is_dir() else [plays]:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _centres(file: Path | None, vectors: Floats, model_id: str) -> Floats:
    """Keep the centres of sounds that there are; learn them where there are none, or of another model."""
    if file is not None and file.exists():
        with np.load(file) as kept:
            if str(kept["model_id"]) == model_id and len(kept["centres"]):
                return np.asarray(kept["centres"], np.float32)
    return learn_centres(vectors) if len(vectors) else np.zeros((0, vectors.shape[1]), np.float32)


def _calibrate(store: TasteStore, listening: Listening, model_id: str) -> Calibration:
    """Measure users to compare the others with; how far each is from their mean is known once all have been seen."""
    measured, users, vectors = [], [], []
    for tastes in store.blocks(one_in=-(-store.n_users // USERS_MEASURED)):
        measured.append(measure(tastes, listening, crowd=None).drop("unique"))
        names, found = user_vectors(tastes, listening)
        users += names
        vectors.append(found)
    total = np.concatenate(vectors).sum(0, dtype=np.float64)
    length = np.linalg.norm(total)
    crowd = np.asarray(total / length if length else total, np.float32)
    unique = pl.DataFrame({"user": users, "unique": angles(np.concatenate(vectors), crowd)})
    table = pl.concat(measured).join(unique.with_columns(pl.col("unique").fill_nan(None)), on="user")
    return calibrate(table.filter(pl.col("n_plays") >= SAMPLE_PLAYS), crowd=crowd, model_id=model_id)
