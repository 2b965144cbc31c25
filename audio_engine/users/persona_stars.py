"""Stars of a persona: each measure's percentile among all users, cut into fifths, and what it says in words."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.users.persona import MEASURES, SAMPLE_PLAYS
from audio_engine.users.persona_words import headline, sentence, title

N_STARS = 5
N_QUANTILES = 101  # that stand for the distribution of a measure


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The distribution of each measure over the users, against which one user is compared."""

    n_users: int  # that were measured
    model_id: str  # whose vectors the crowd's is of
    crowd: tuple[float, ...]  # (dim,) the mean of the users' vectors, unit length
    quantiles: Mapping[str, tuple[float, ...]]  # of each measure, from the lowest to the highest; empty: nobody has it

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        file.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Calibration":
        """Read what `save` wrote."""
        fields = json.loads(file.read_text(encoding="utf-8"))
        quantiles = {name: tuple(values) for name, values in fields.pop("quantiles").items()}
        return cls(crowd=tuple(fields.pop("crowd")), quantiles=quantiles, **fields)


@dataclass(frozen=True, kw_only=True)
class Trait:
    """One measure of a user."""

    name: str  # of `MEASURES`
    title: str  # in words
    value: float
    percentile: float  # share of the users who are below, 0 to 1
    stars: int  # 1 to 5, by fifths of the users
    sentence: str  # what that says


@dataclass(frozen=True, kw_only=True)
class Persona:
    """How a user listens."""

    user: str
    n_plays: int
    headline: str
    traits: tuple[Trait, ...]  # in the order of `MEASURES`; without those that cannot be told


def calibrate(measures: pl.DataFrame, *, crowd: NDArray[np.float32], model_id: str) -> Calibration:
    """Find the distribution of each measure.

    Parameters
    ----------
    measures
        Of all users or of a sample, as `persona.measure` gives them.
    crowd, model_id
        What the measure ``unique`` was compared with.
    """
    steps = np.linspace(0, 1, N_QUANTILES)
    known = {name: measures[name].drop_nulls().to_numpy() for name in MEASURES}
    return Calibration(
        n_users=measures.select(pl.any_horizontal(pl.col(*MEASURES).is_not_null()).sum()).item(),
        model_id=model_id,
        crowd=tuple(float(each) for each in crowd),
        quantiles={
            name: tuple(np.quantile(values, steps).tolist()) if len(values) else () for name, values in known.items()
        },
    )


def percentiles(values: Sequence[float] | NDArray[np.float64], quantiles: Sequence[float]) -> NDArray[np.float64]:
    """Find the share of users below each value; half of those who are equal count as below.

    Examples
    --------
    >>> percentiles([0, 5, 9, 20], range(11)).round(2)
    array([0.05, 0.5 , 0.86, 1.  ])
    """
    ranked = np.asarray(quantiles, np.float64)
    between = (np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")) / 2
    return np.asarray(between / len(ranked))


def stars_of(percentile: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cut percentiles into fifths.

    Examples
    --------
    >>> stars_of(np.array([0.0, 0.2, 0.5, 0.99, 1.0]))
    array([1, 2, 3, 5, 5])
    """
    return np.asarray(np.minimum(1 + np.floor(percentile * N_STARS), N_STARS), np.int64)


def persona_table(measures: pl.DataFrame, calibration: Calibration) -> pl.DataFrame:
    """Add percentile and stars of each measure, ``explorer_percentile``, ``explorer_stars`` and so on."""
    for name in MEASURES:
        values, quantiles = measures[name].to_numpy(), calibration.quantiles[name]
        found = percentiles(values, quantiles) if quantiles else np.full(len(values), np.nan)
        known = pl.col(name).is_not_null() & pl.lit(bool(quantiles))
        measures = measures.with_columns(
            pl.when(known).then(pl.Series(found)).alias(f"{name}_percentile"),
            pl.when(known).then(pl.Series(stars_of(np.nan_to_num(found)))).alias(f"{name}_stars"),
        )
    return measures


def persona_of(row: Mapping[str, object]) -> Persona:
    """Put the row of one user in words.

    Parameters
    ----------
    row
        Of `persona_table`.

    Raises
    ------
    ValueError
        When nothing can be told of the user yet.
    """
    traits = []
    for name in MEASURES:
        value, percentile, stars = (row[column] for column in (name, f"{name}_percentile", f"{name}_stars"))
        if isinstance(value, float) and isinstance(percentile, float) and isinstance(stars, int):
            traits.append(
                Trait(
                    name=name,
                    title=title(name),
                    value=value,
                    percentile=percentile,
                    stars=stars,
                    sentence=sentence(name, stars),
                )
            )
    n_plays = row["n_plays"]
    if not traits or not isinstance(n_plays, int):
        raise ValueError(f"user must have {SAMPLE_PLAYS} plays or more for a persona, got {n_plays}")
    words = headline({trait.name: trait.percentile for trait in traits})
    return Persona(user=str(row["user"]), n_plays=n_plays, headline=words, traits=tuple(traits))
