"""One dimension of a track's value: the number, its interval, and the counts that it is made of."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.metrics.lift import GammaPrior, shrunk_lift

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A dimension of some tracks, (n_tracks,) each."""

    value: Floats  # finite for every track, also for one without plays
    low: Floats  # of the 95 % interval
    high: Floats
    numerator: Floats  # what was counted
    denominator: Floats  # what it was counted over; 0: nothing is known of the track
    prior: str  # in words, what a track without evidence is given

    def columns(self, name: str) -> list[pl.Series]:
        """Lay the dimension out as columns of a table."""
        return [
            pl.Series(name, self.value, dtype=pl.Float64),
            *(
                pl.Series(f"{name}_{part}", getattr(self, part), dtype=pl.Float64)
                for part in ("low", "high", "numerator", "denominator")
            ),
        ]


def lift_dimension(observed: pl.Series, expected: pl.Series, prior: GammaPrior) -> Dimension:
    """Make a dimension of observed over expected counts, shrunk towards 1."""
    above, below = observed.cast(pl.Float64).to_numpy(), expected.cast(pl.Float64).to_numpy()
    lift = shrunk_lift(above, below, prior)
    return Dimension(
        value=lift.value, low=lift.low, high=lift.high, numerator=above, denominator=below, prior=str(prior)
    )
