"""Ways of removing popularity, compared at an equal like rate on plays after those they learned from.

    python -m tests.benchmarks.experiments.debias_methods --world ../shared/world2 [--seed 0 --seed 1 --seed 2]

The split, the candidates and the metrics are those of `tests.benchmarks.experiments.debias`. Every method has a dial.
On the validation days, of the values at which the like rate of what was recommended and heard is not below the plain
factorisation's (by more than `EQUAL`), the one of the best evened nDCG is chosen. The test days are then scored at that
value only, with differences to the plain factorisation for the same users.

Stratified negatives are drawn from the tracks of the positive's decile of plays, so that popularity tells nothing.

References
----------
Y. Zhang et al., Causal intervention for leveraging popularity bias in recommendation, SIGIR 2021: PDA, served without
popularity (PD).
Y. Zheng et al., Disentangling user interest and conformity for recommendation with causal embedding, WWW 2021: DICE;
here without its discrepancy loss, and with uniform negatives.
T. Schnabel et al., Recommendations as treatments, ICML 2016: inverse propensities; here powers of the plays, clipped.
A. Menon et al., Long-tail learning via logit adjustment, ICLR 2021: the logarithm of the plays taken off the score.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import elu, logsigmoid

from audio_engine.cli.options import AsJson, World
from audio_engine.metrics.bootstrap import Estimate, user_weights
from audio_engine.metrics.ranking_quality import K, spread, top_k
from audio_engine.metrics.results import Result, results_of
from audio_engine.scoring.debias import DebiasSettings, play_weights, train_debiased
from audio_engine.scoring.debiased_recommendations import read_log
from metric_learning.play_log import PlayLog
from tests.benchmarks.experiments.debias import (
    SLICE_DAYS,
    Slice,
    cut_slices,
    head_of,
    mean_over_users,
    metrics_by_user,
)
from tests.benchmarks.experiments.printing import put_rows

EQUAL = 0.005  # of a like rate: so much less still counts as equal
N_STRATA = 10  # of popularity
C_GRID = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)  # of MACR
SUBTRACTED = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5)  # times the logarithm of the plays
STRATIFIED = (0.5, 1.0)  # share of the negatives
POWERS = (0.25, 0.5, 1.0)  # of the inverse propensity
GAMMAS = (0.1, 0.2, 0.4)  # of PDA
CONFORMITY = (0.0, 0.25, 0.5, 1.0)  # share of it in DICE's score
DICE_WEIGHT = 0.1  # of the losses of interest and of conformity

Scores = NDArray[np.floating]
Loss = Callable[["Factors", Tensor, Tensor, Tensor, Tensor], Tensor]  # users, tracks, others, weights of the plays
Draw = Callable[[NDArray[np.int64], np.random.Generator], NDArray[np.int64]]  # a negative for each positive


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What is learned from, and how."""

    plays: PlayLog  # those that were liked, or played past the half
    popularity: NDArray[np.int64]  # (n_tracks,) plays
    n_users: int
    settings: DebiasSettings


class Factors(nn.Module):
    """Vectors of users and tracks whose inner product is the match; of interest, and for DICE of conformity too."""

    def __init__(self, n_users: int, n_tracks: int, dim: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(n, dim) for n in (n_users, n_tracks, n_users, n_tracks)])
        for table in self.tables:
            nn.init.normal_(table.weight, std=dim**-0.5)

    def forward(self, users: Tensor, tracks: Tensor) -> Tensor:
        """Compute the match: (n,)."""
        return (self.tables[0](users) * self.tables[1](tracks)).sum(1)

    def conformity(self, users: Tensor, tracks: Tensor) -> Tensor:
        """Compute how well tracks suit what the user does as others do: (n,)."""
        return (self.tables[2](users) * self.tables[3](tracks)).sum(1)

    @torch.no_grad()
    def scores(self, first: int = 0) -> Scores:
        """Score all pairs: (n_users, n_tracks)."""
        return (self.tables[first].weight @ self.tables[first + 1].weight.T).numpy()


def fit(learned: Learned, loss: Loss, *, draw: Draw | None = None, weights: Scores | None = None) -> Factors:
    """Train factors, each positive play with one negative; by default a track drawn uniformly.

    Parameters
    ----------
    learned
        The plays.
    loss
        Of a batch, the mean.
    draw
        Draws the negatives.
    weights : (n_tracks,)
        Of the plays of each track.
    """
    settings, plays = learned.settings, learned.plays
    n_tracks = len(learned.popularity)
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    model = Factors(learned.n_users, n_tracks, settings.dim)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    known = np.unique(plays.user * n_tracks + plays.track)
    of_track = np.ones(n_tracks) if weights is None else weights
    for _ in range(settings.n_epochs):
        others = draw(plays.track, rng) if draw else rng.integers(n_tracks, size=len(plays))
        keys = plays.user * n_tracks + others
        is_new = known[np.searchsorted(known, keys).clip(max=len(known) - 1)] != keys
        order = rng.permutation(np.flatnonzero(is_new))
        for rows in np.array_split(order, max(1, len(order) // (settings.batch_size // 2))):
            batch = (plays.user[rows], plays.track[rows], others[rows], of_track[plays.track[rows]].astype(np.float32))
            value = loss(model, *map(torch.from_numpy, batch))
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
    return model


def pointwise(model: Factors, users: Tensor, tracks: Tensor, others: Tensor, weights: Tensor) -> Tensor:
    """Compute the cross-entropy of positives and negatives, each play with its weight."""
    return -(weights * (logsigmoid(model(users, tracks)) + logsigmoid(-model(users, others)))).mean()


def pda(popularity: Tensor, gamma: float) -> Loss:
    """Make the loss of PDA: pairs are ranked by (elu(match) + 1) times the popularity to the power of gamma."""
    scale = popularity**gamma

    def loss(model: Factors, users: Tensor, tracks: Tensor, others: Tensor, weights: Tensor) -> Tensor:
        better, worse = ((elu(model(users, each)) + 1) * scale[each] for each in (tracks, others))
        return -(weights * logsigmoid(better - worse)).mean()

    return loss


def dice(popularity: Tensor) -> Loss:
    """Make the loss of DICE: who takes the less popular of two does so by interest, the more popular by either."""

    def loss(model: Factors, users: Tensor, tracks: Tensor, others: Tensor, weights: Tensor) -> Tensor:
        interest = model(users, tracks) - model(users, others)
        conformity = model.conformity(users, tracks) - model.conformity(users, others)
        is_rarer = popularity[tracks] < popularity[others]
        of_conformity = logsigmoid(torch.where(is_rarer, -conformity, conformity))
        of_interest = torch.where(is_rarer, logsigmoid(interest), 0.0)
        return -(weights * (logsigmoid(interest + conformity) + DICE_WEIGHT * (of_interest + of_conformity))).mean()

    return loss


def stratified(popularity: NDArray[np.int64], share: float) -> Draw:
    """Make a draw of negatives, a share of them from the tracks of the same decile of popularity as the positive."""
    order = np.argsort(popularity, kind="stable")
    place = np.argsort(order)
    bounds = np.linspace(0, len(order), N_STRATA + 1).astype(np.int64)
    stratum = np.searchsorted(bounds, place, side="right") - 1

    def draw(tracks: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        low, high = bounds[stratum[tracks]], bounds[stratum[tracks] + 1]
        alike = order[low + (rng.random(len(tracks)) * (high - low)).astype(np.int64)]
        return np.where(rng.random(len(tracks)) < share, alike, rng.integers(len(order), size=len(tracks)))

    return draw


def all_scores(learned: Learned) -> Iterator[tuple[str, float | None, Scores]]:
    """Train every method: its name, the value of its dial, and the scores of all pairs."""
    popularity = np.maximum(learned.popularity, 1)
    relative = torch.from_numpy((popularity / popularity.max()).astype(np.float32))
    plain = fit(learned, pointwise).scores()
    yield "plain factorisation", None, plain
    for c in SUBTRACTED:
        yield "log plays taken off", c, plain - c * np.log(popularity)
    macr = train_debiased(learned.plays, n_users=learned.n_users, n_tracks=len(popularity), settings=learned.settings)
    for c in C_GRID:
        yield "MACR", c, macr.scores(c)
    for share in STRATIFIED:
        yield "stratified negatives", share, fit(learned, pointwise, draw=stratified(popularity, share)).scores()
    for power in POWERS:
        yield "inverse propensity", power, fit(learned, pointwise, weights=play_weights(popularity, power)).scores()
    for gamma in GAMMAS:
        yield "PDA", gamma, fit(learned, pda(relative, gamma)).scores()
    both = fit(learned, dice(relative))
    for share in CONFORMITY:
        yield "DICE", share, both.scores() + share * both.scores(2)


def choose(found: Sequence[tuple[str, float | None, Mapping[str, Estimate]]]) -> dict[str, float | None]:
    """Choose the dial of each method on the validation days: {name: value}."""
    floor = next(metrics for name, _, metrics in found if name == "plain factorisation")[f"like_rate@{K}"].value - EQUAL
    chosen: dict[str, float | None] = {}
    for name in dict.fromkeys(name for name, _, _ in found):
        own = [(value, metrics) for other, value, metrics in found if other == name]
        equal = [each for each in own if each[1][f"like_rate@{K}"].value >= floor]
        best = max(equal, key=lambda each: each[1][f"ndcg@{K}_even"].value) if equal else None
        chosen[name] = (best or max(own, key=lambda each: each[1][f"like_rate@{K}"].value))[0]
    return chosen


def compare(world: Path, *, seed: int, n_epochs: int = 20) -> Iterator[Result]:
    """Score every method at the dial that the validation days choose.

    Parameters
    ----------
    world
        Contains ``plays_train.parquet``, like `../shared/world2`.
    seed
        Of training, draws and resamples.
    n_epochs
        Passes over the plays.

    Yields
    ------
    results
        Of the test days: each metric, and with ``gain`` in front its difference to the plain factorisation.
    """
    plays, users, tracks = read_log(world / "plays_train.parquet")
    start = float(plays.day.max()) - 2 * SLICE_DAYS
    early = plays.where(plays.day <= start)
    popularity = np.bincount(early.track, minlength=len(tracks))
    learned = Learned(
        plays=early.where(early.signal() > 0),
        popularity=popularity,
        n_users=len(users),
        settings=replace(DebiasSettings(), seed=seed, n_epochs=n_epochs),
    )
    methods = list(all_scores(learned))
    weights = user_weights(len(users), seed=seed)
    judge = partial(_judged, is_head=head_of(popularity))
    validation, test = cut_slices(plays, start, n_users=len(users), n_tracks=len(tracks), seed=seed)
    averaged = [
        (name, value, {metric: mean_over_users(each, weights) for metric, each in judge(scores, validation)[1].items()})
        for name, value, scores in methods
    ]
    chosen = choose(averaged)
    plain = judge(methods[0][2], test)[1]
    for name, value, scores in methods:
        if chosen[name] != value:
            continue
        recommended, by_user = judge(scores, test)
        estimates = {metric: mean_over_users(each, weights) for metric, each in by_user.items()}
        estimates |= {
            f"gain {metric}": mean_over_users(each - plain[metric], weights) for metric, each in by_user.items()
        }
        estimates |= spread(recommended, len(tracks), weights)
        yield from results_of(estimates, method=name, about={"seed": seed, "dial": value})


def _judged(
    scores: Scores, held_out: Slice, *, is_head: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], dict[str, Scores]]:
    """Recommend by scores, and score that for each user."""
    recommended = top_k(np.where(held_out.candidates, scores, -np.inf))
    return recommended, metrics_by_user(scores, recommended, held_out, is_head=is_head)


def main(
    world: World,
    seed: Annotated[list[int] | None, typer.Option(help="Repeatable; 0, 1 and 2 by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare ways of removing popularity at an equal like rate (simulated if the world is)."""
    rows = (row for each in seed or (0, 1, 2) for row in compare(world, seed=each))
    put_rows(rows, by=("method", "seed", "dial"), as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
