"""The value of each track of a catalogue, as ``audio-engine score value`` writes it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.sql import MEMORY_GB
from audio_engine.plays.table_files import id_text, reading, scan_table
from audio_engine.plays.tables import read_vectors
from audio_engine.scoring.value.ages import freshness, heat
from audio_engine.scoring.value.dimension import Dimension
from audio_engine.scoring.value.lifts import circle_index, pay_drive, pull_of_new_users, pull_of_returning_users
from audio_engine.scoring.value.log import ValueLog, open_value_log
from audio_engine.scoring.value.placing import give_places, parts_of
from audio_engine.scoring.value.policy import Policy, Rule, read_policy
from audio_engine.scoring.value.quality import interaction_quality
from audio_engine.scoring.value.soaring import soaring_forecast

logger = logging.getLogger(__name__)

ALWAYS_READ = ("release_day", "artist_key")  # columns that are read whether or not a rule names them


@dataclass(frozen=True, kw_only=True)
class ValueInputs:
    """The files that tracks are valued from."""

    plays: Path  # user, track, day or timestamp, completion, action
    tracks: Path  # the catalogue: track; release_day, artist_key and the columns of the rules where there are such
    events: Path | None = None  # user, track, day or timestamp, kind
    circles: Path | None = None  # user, and the policy's `circle_columns`
    vectors: Path | None = None  # audio vectors, as "audio-engine export" writes them


@dataclass(frozen=True, kw_only=True)
class Valued:
    """The dimensions of the tracks of a catalogue, before a policy weighs them."""

    tracks: pl.DataFrame  # track, and the columns of the rules
    dimensions: Mapping[str, Dimension]
    circle: pl.Series  # of each track, the circle that wants it most; null without one
    has_plays: NDArray[np.bool_]


def value_tracks(
    inputs: ValueInputs, *, policy: Policy | None = None, at_day: float | None = None, memory_gb: float = MEMORY_GB
) -> pl.DataFrame:
    """Value each track of a catalogue: its dimensions with intervals, its score part by part, its place.

    Parameters
    ----------
    inputs
        The files.
    policy
        Weights and rules; None: those of the example file.
    at_day
        The day; nothing after it is looked at. None: the last day of the plays.
    memory_gb
        Memory that DuckDB may use before it spills, 1e9 bytes.

    Returns
    -------
    value
        A row a track of the catalogue, the first place first: ``track``, ``rank``, ``score``, ``given_by`` (why it has
        its place), the parts of the score (``part_NAME``, ``rule_NAME``), ``circle_name``, and of each dimension NAME,
        ``NAME_low``, ``NAME_high``, ``NAME_numerator`` and ``NAME_denominator``. No number is null or NaN.

    Raises
    ------
    FileNotFoundError
        When a file is missing.
    ValueError
        When a table lacks a column, or no play lies before the day.
    """
    policy = policy or read_policy()
    return place_tracks(measure_tracks(inputs, policy=policy, at_day=at_day, memory_gb=memory_gb), policy)


def measure_tracks(
    inputs: ValueInputs, *, policy: Policy, at_day: float | None = None, memory_gb: float = MEMORY_GB
) -> Valued:
    """Measure the dimensions of each track of a catalogue; parameters and errors as `value_tracks`."""
    tracks = read_catalogue(inputs.tracks, policy.rules)
    vectors = None if inputs.vectors is None else read_sound(inputs.vectors, tracks)
    with open_value_log(
        inputs.plays, events=inputs.events, times=policy.times, at_day=at_day, memory_gb=memory_gb
    ) as log:
        _warn_of_strangers(log, tracks)
        by_circle, circle = circle_index(log, tracks, circles=inputs.circles, columns=policy.circle_columns)
        by_heat = heat(log, tracks, half_life_days=policy.times.heat_half_life)
        dimensions = {
            "heat": by_heat,
            "quality": interaction_quality(log, tracks, policy.signals),
            "pay": pay_drive(log, tracks),
            "circle": by_circle,
            "pull_new": pull_of_new_users(log, tracks),
            "pull_returning": pull_of_returning_users(log, tracks),
            "soaring": soaring_forecast(log, tracks, policy.soaring, vectors=vectors),
            "freshness": freshness(log, tracks, half_life_days=policy.times.freshness_half_life),
        }
    return Valued(tracks=tracks, dimensions=dimensions, circle=circle, has_plays=by_heat.denominator > 0)


def place_tracks(valued: Valued, policy: Policy) -> pl.DataFrame:
    """Weigh the dimensions of tracks by a policy, and give out the places; returns what `value_tracks` does."""
    for name, dimension in valued.dimensions.items():
        logger.info("%s: prior %s", name, dimension.prior)
    under = {rule.name: _under(valued.tracks, rule) for rule in policy.rules}
    parts = parts_of(valued.dimensions, valued.has_plays, under, policy)
    order, given_by = give_places(parts["score"].to_numpy(), under, policy.rules, n_places=policy.places)
    columns = [column for name, dimension in valued.dimensions.items() for column in dimension.columns(name)]
    table = valued.tracks.select("track").hstack(parts.get_columns()).hstack([valued.circle, *columns])
    placed = table[order].insert_column(1, pl.int_range(1, len(table) + 1, eager=True).alias("rank"))
    return placed.insert_column(3, pl.Series("given_by", given_by, dtype=pl.String))


def read_catalogue(path: Path, rules: tuple[Rule, ...] = ()) -> pl.DataFrame:
    """Read the catalogue: one row a track, in the file's order, with the columns that are needed."""
    table = scan_table(path)
    schema = table.collect_schema()
    if "track" not in schema:
        raise ValueError(f"{path.name} must have a column 'track', got {', '.join(schema.names())}")
    for rule in rules:
        if rule.column not in schema:
            raise ValueError(
                f"{path.name} must have a column {rule.column!r} for the rule {rule.name!r}, got "
                f"{', '.join(schema.names())}"
            )
    wanted = dict.fromkeys([*ALWAYS_READ, *(rule.column for rule in rules)])
    columns = [name for name in wanted if name in schema and name != "track"]
    with reading(path):
        tracks = table.select(id_text("track", schema["track"]), *columns).collect()
    return tracks.drop_nulls("track").unique("track", keep="first", maintain_order=True)


def read_sound(path: Path, tracks: pl.DataFrame) -> NDArray[np.float32]:
    """Read the audio vectors of the tracks, (n_tracks, dim), NaN for one without."""
    table = read_vectors(path)
    rows = table.names.find(tracks["track"].to_list())
    vectors = np.array(table.vectors.to_list(), np.float32)
    found = np.full((len(tracks), vectors.shape[1] if vectors.ndim == 2 else 0), np.nan, np.float32)
    has_one = np.array([row is not None for row in rows], np.bool_)
    found[has_one] = vectors[[row for row in rows if row is not None]]
    if not has_one.all():
        logger.warning("%d of %d tracks have no vector in %s", (~has_one).sum(), len(tracks), path.name)
    return found


def _warn_of_strangers(log: ValueLog, tracks: pl.DataFrame) -> None:
    """Say how many plays are of tracks that the catalogue lacks: they count for their users only."""
    log.put("catalogue", tracks.select("track"))
    counted = log.fetch("SELECT count(*) AS n FROM plays WHERE track NOT IN (SELECT track FROM catalogue)")
    if n := counted["n"][0]:
        logger.warning("%d plays are of tracks that are not in the catalogue: they count for their users only", n)


def _under(tracks: pl.DataFrame, rule: Rule) -> NDArray[np.bool_]:
    """Find the tracks that fall under a rule."""
    values = tracks[rule.column].cast(pl.String)
    found = values.is_in(list(rule.values)).fill_null(value=False).to_numpy()
    if not found.any():
        logger.warning("rule %r: no track has %s in %r", rule.name, " or ".join(rule.values), rule.column)
    return np.asarray(found, np.bool_)
