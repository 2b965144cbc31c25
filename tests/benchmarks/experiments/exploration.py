"""Exploration policies for new tracks, simulated on tracks with known like rates: which get played, at what regret.

A round is one play: a policy picks one of the new tracks by the plays and likes so far, and the user likes it with the
track's own probability. Nothing else is simulated: no taste of single users, no older tracks. The policies see counts,
and a prior from earlier tracks; the true probabilities only draw the likes and score the policies.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from audio_engine.cli.options import AsJson, World
from audio_engine.metrics.bootstrap import bootstrap_mean
from audio_engine.metrics.results import Result, results_of
from audio_engine.plays.formats import scan_plays
from audio_engine.scoring.exploration import ENOUGH_PLAYS, explored_value
from audio_engine.scoring.like_rates import BetaPrior, count_likes, prior_by_likelihood, smoothed_rate
from tests.benchmarks.experiments.printing import put_rows

GOOD_SHARE = 0.2  # of the tracks: those with the highest true like rates, "liked in the end"

Floats = NDArray[np.float64]
Policy = Callable[
    [Floats, Floats, np.random.Generator], NDArray[np.int64]
]  # likes, plays (n_runs, n_tracks): (n_runs,)


@dataclass(frozen=True, kw_only=True)
class ExplorationSettings:
    """Settings of the simulated policies."""

    enough: int = ENOUGH_PLAYS  # N, plays
    weights: tuple[float, ...] = (0.1, 0.3, 1.0)  # α, one policy each
    epsilon: float = 0.1  # of ε-greedy: share of the plays that go to any track
    n_rounds: int = 30_000  # plays a run
    n_runs: int = 20  # each with its own draws and order of tracks
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("enough", "n_rounds", "n_runs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"epsilon must be between 0 and 1, got {self.epsilon}")


@dataclass(frozen=True, kw_only=True)
class PlayedOut:
    """The final state of the runs."""

    chances: Floats  # (n_runs, n_tracks) the true like rates, in each run's order of the tracks
    likes: Floats  # (n_runs, n_tracks)
    plays: Floats  # (n_runs, n_tracks)


def evaluate_exploration(world: Path, *, settings: ExplorationSettings | None = None) -> Iterator[Result]:
    """Simulate the policies on the new tracks of a folder with the layout of `../shared/world`.

    Parameters
    ----------
    world
        Contains ``plays_train.parquet``, for the prior, and ``plays_valid_cold.parquet``, whose tracks are the new
        ones: their smoothed like rates are used as ground truth.
    settings
        Settings of the simulated policies.

    Yields
    ------
    rows
        Policy by policy.
    """
    settings = settings or ExplorationSettings()
    truth, _ = _like_rates(world / "plays_valid_cold.parquet")
    _, prior = _like_rates(world / "plays_train.parquet")
    for name, policy in policies(prior, settings=settings).items():
        ended = play_out(truth, policy, n_rounds=settings.n_rounds, n_runs=settings.n_runs, seed=settings.seed)
        found = exploration_metrics(ended, enough=settings.enough).items()
        means = {metric: bootstrap_mean(values, seed=settings.seed) for metric, values in found}
        yield from results_of(means, method=name, about={})


def policies(prior: BetaPrior, *, settings: ExplorationSettings) -> Mapping[str, Policy]:
    """Return the policies by name; each values a track by its smoothed like rate under the same prior.

    Parameters
    ----------
    prior
        Of the like rate of a track, from earlier tracks.
    settings
        Their parameters.

    Returns
    -------
    policies
        Ties go to the first track; `play_out` shuffles the tracks.

    References
    ----------
    P. Auer et al., Machine Learning 2002: UCB1 and ε-greedy (ε constant here). W. Thompson, Biometrika 1933; O.
    Chapelle, L. Li, An empirical evaluation of Thompson sampling, NeurIPS 2011, algorithm 2, with our prior.
    """

    def bonus(weight: float, enough: float) -> Policy:
        def choose(likes: Floats, plays: Floats, _: np.random.Generator) -> NDArray[np.int64]:
            value, total = smoothed_rate(likes, plays, prior), plays.sum(1, keepdims=True)
            return _best(explored_value(value, plays, all_plays=total, weight=weight, enough=enough))

        return choose

    def epsilon_greedy(likes: Floats, plays: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        n_runs, n_tracks = plays.shape
        anything = rng.random(n_runs) < settings.epsilon
        return np.where(anything, rng.integers(n_tracks, size=n_runs), _best(smoothed_rate(likes, plays, prior)))

    def thompson(likes: Floats, plays: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        return _best(rng.beta(likes + prior.alpha, plays - likes + prior.beta))

    enough = settings.enough
    return {
        "greedy": bonus(0.0, enough),
        f"epsilon-greedy, {settings.epsilon:g}": epsilon_greedy,
        "Thompson sampling": thompson,
        **{f"bonus to {enough} plays, weight {weight:g}": bonus(weight, enough) for weight in settings.weights},
        **{f"bonus for ever, weight {weight:g}": bonus(weight, np.inf) for weight in settings.weights},
        "at random": lambda _, plays, rng: rng.integers(plays.shape[1], size=len(plays)),
    }


def play_out(truth: Floats, policy: Policy, *, n_rounds: int, n_runs: int, seed: int) -> PlayedOut:
    """Simulate a policy's picks and users' likes, round by round, in several runs at a time.

    Parameters
    ----------
    truth : (n_tracks,)
        Probability that each track is liked when played.
    policy
        Picks a track in each run.
    n_rounds
        Plays a run.
    n_runs
        How many runs.
    seed
        Of everything that is random.

    Returns
    -------
    ended
    """
    rng, rows = np.random.default_rng(seed), np.arange(n_runs)
    chances = rng.permuted(np.tile(truth, (n_runs, 1)), axis=1)
    likes, plays = np.zeros_like(chances), np.zeros_like(chances)
    for _ in range(n_rounds):
        chosen = policy(likes, plays, rng)
        plays[rows, chosen] += 1
        likes[rows, chosen] += rng.random(n_runs) < chances[rows, chosen]
    return PlayedOut(chances=chances, likes=likes, plays=plays)


def exploration_metrics(ended: PlayedOut, *, enough: int, good_share: float = GOOD_SHARE) -> dict[str, Floats]:
    """Compute which tracks were played enough, and the regret.

    Parameters
    ----------
    ended
        From `play_out`.
    enough
        N, plays.
    good_share
        Share of the tracks that count as good.

    Returns
    -------
    by metric : (n_runs,)
        ``reached_enough``, share of the tracks with N plays; ``good_reached_enough``, the same for good tracks;
        ``plays_on_good``, share of all plays that fell on them; ``like_rate``, likes expected of a play; ``regret``,
        likes missed per thousand plays compared with always playing the best track.
    """
    n_good = max(1, round(good_share * ended.chances.shape[1]))
    is_good = ended.chances >= np.sort(ended.chances, axis=1)[:, [-n_good]]
    share = ended.plays / ended.plays.sum(1, keepdims=True)
    reached, like_rate = ended.plays >= enough, (share * ended.chances).sum(1)
    return {
        "reached_enough": reached.mean(1),
        "good_reached_enough": (reached & is_good).sum(1) / is_good.sum(1),
        "plays_on_good": (share * is_good).sum(1),
        "like_rate": like_rate,
        "regret": 1_000 * (ended.chances.max(1) - like_rate),
    }


def _best(values: Floats) -> NDArray[np.int64]:
    """Return the best track of each run, the first of ties: (n_runs,)."""
    return np.asarray(values.argmax(1), np.int64)


def _like_rates(plays: Path) -> tuple[Floats, BetaPrior]:
    """Read a log: the smoothed like rates of its tracks (n_tracks,), and the prior that smooths them."""
    counts = count_likes(scan_plays(plays))
    likes, n_plays = counts["likes"].to_numpy(), counts["plays"].to_numpy()
    prior = prior_by_likelihood(likes, n_plays)
    return smoothed_rate(likes, n_plays, prior), prior


def main(  # noqa: PLR0917  (a command has as many parameters as it has options)
    world: World,
    enough: Annotated[int, typer.Option(metavar="PLAYS", help="Plays after which a track gets no bonus.")] = 100,
    weight: Annotated[list[float] | None, typer.Option(help="Of the bonus; again for more; 0.1, 0.3, 1.")] = None,
    epsilon: Annotated[float, typer.Option(min=0, max=1, help="Of epsilon-greedy.")] = 0.1,
    rounds: Annotated[int, typer.Option(min=1, help="Plays a run.")] = 30_000,
    runs: Annotated[int, typer.Option(min=2, help="Runs, for the intervals.")] = 20,
    seed: Annotated[int, typer.Option(help="Of everything that is random.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Simulate policies of showing new tracks (simulated users if the world is)."""
    settings = ExplorationSettings(
        enough=enough,
        weights=tuple(weight or ExplorationSettings.weights),
        epsilon=epsilon,
        n_rounds=rounds,
        n_runs=runs,
        seed=seed,
    )
    put_rows(evaluate_exploration(world, settings=settings), by=("method",), as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
