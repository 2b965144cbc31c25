"""Popularity debiasing, evaluated on plays after those it was trained on.

Training uses the first days of a log; c is chosen on the days that follow, and results are reported on the last ones.
Candidates for a user are all tracks not played during training. Likes of later days follow popularity too, since
popular tracks are played more; so likes are also counted with the same number kept of every track, as in the paper. c
is chosen by those: the smallest within one standard error of the best, since the curve is flat at its top.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from audio_engine.cli.options import AsJson, World
from audio_engine.metrics.auc import auc_by_row
from audio_engine.metrics.bootstrap import Estimate, mean_interval, user_weights
from audio_engine.metrics.ranking_quality import K, ranking_by_user, spread, top_k
from audio_engine.metrics.results import Result, results_of
from audio_engine.scoring.debias import DebiasSettings, train_debiased
from audio_engine.scoring.debiased_recommendations import read_log
from metric_learning.play_log import PlayLog, feedback_table, played_table
from tests.benchmarks.experiments.printing import put_rows

SLICE_DAYS = 15.0  # days of each of the two later slices
HEAD_SHARE = 0.2  # of the tracks, the most played; the others are the long tail
EVEN_QUANTILE = 0.2  # of the likes of a track: so many are kept of each, or all if it has fewer
N_EVEN_DRAWS = 8
CHOSEN_BY = f"ndcg@{K}_even"  # on the validation slice
C_GRID = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0)  # in the unit of the match, which is mostly within ±3

Scores = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Held-out days, as tables (n_users, n_tracks) unless stated otherwise."""

    name: str
    heard: NDArray[np.bool_]
    liked: NDArray[np.bool_]
    rejected: NDArray[np.bool_]
    liked_even: NDArray[np.bool_]  # (n_draws, n_users, n_tracks) equally many likes of every track
    candidates: NDArray[np.bool_]  # not played in training


def evaluate_debias(
    world: Path, *, c_grid: Sequence[float] = C_GRID, settings: DebiasSettings | None = None
) -> Iterator[Result]:
    """Score MACR over a grid of c against a plain factorisation and popularity itself.

    Parameters
    ----------
    world
        Contains ``plays_train.parquet``, like `../shared/world`.
    c_grid
        Values of c, in the unit of the match ŷ_k.
    settings
        Training settings; the seed also draws the resamples of users.

    Yields
    ------
    results
        First all of validation, then all of test; about ``slice`` (validation or test), ``c`` (None: the method has
        none) and ``chosen``, whether this c was chosen on validation.

    Raises
    ------
    ValueError
        When the log is too short to split.
    """
    settings = settings or DebiasSettings()
    plays, users, tracks = read_log(world / "plays_train.parquet")
    start = float(plays.day.max()) - 2 * SLICE_DAYS
    learned = plays.where(plays.day <= start)
    if not len(learned):
        raise ValueError(f"plays must span more than {2 * SLICE_DAYS:g} days, got none up to day {start:g}")
    popularity = np.bincount(learned.track, minlength=len(tracks))
    train = partial(train_debiased, learned, n_users=len(users), n_tracks=len(tracks))
    plain, macr = train(settings=replace(settings, with_branches=False)), train(settings=settings)
    methods: list[tuple[str, float | None, Scores]] = [
        ("popularity", None, np.tile(popularity.astype(np.float64), (len(users), 1))),
        ("plain factorisation", None, plain.match()),
        *(("MACR", c, macr.scores(c)) for c in c_grid),
    ]
    measure = partial(debias_metrics, is_head=head_of(popularity), weights=user_weights(len(users), seed=settings.seed))
    chosen: float | None = None
    for held_out in cut_slices(plays, start, n_users=len(users), n_tracks=len(tracks), seed=settings.seed):
        found = [(name, c, measure(scores, held_out)) for name, c, scores in methods]
        if chosen is None:  # the first slice is validation
            chosen = choose_c({c: metrics[CHOSEN_BY] for _, c, metrics in found if c is not None})
        for name, c, metrics in found:
            about = {"slice": held_out.name, "c": c, "chosen": c is not None and c == chosen}
            yield from results_of(metrics, method=name, about=about)


def choose_c(found: Mapping[float, Estimate]) -> float:
    """Choose the smallest c whose figure is within one standard error of the best.

    References
    ----------
    L. Breiman et al., Classification and Regression Trees, 1984, section 3.4.3: the one-standard-error rule; the error
    here from the width of the best one's 95 % interval.
    """
    best = max(found.values(), key=lambda estimate: estimate.value)
    error = (best.high - best.low) / (2 * 1.96)
    return min(c for c, estimate in found.items() if estimate.value >= best.value - error)


def head_of(popularity: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the most played tracks, `HEAD_SHARE` of them."""
    is_head = np.zeros(len(popularity), np.bool_)
    is_head[np.argsort(-popularity, kind="stable")[: round(HEAD_SHARE * len(popularity))]] = True
    return is_head


def keep_even(liked: NDArray[np.bool_], *, seed: int) -> NDArray[np.bool_]:
    """Keep equally many random likes of every track: the `EVEN_QUANTILE` of their counts, or all if fewer.

    References
    ----------
    T. Wei et al., KDD 2021: test sets drawn with equal probability of the items.
    """
    n_kept = max(1, int(np.quantile(liked.sum(0), EVEN_QUANTILE)))
    order = np.where(liked, np.random.default_rng(seed).random(liked.shape), np.inf)
    kept = np.zeros_like(liked)
    np.put_along_axis(kept, np.argsort(order, axis=0)[:n_kept], True, axis=0)
    return kept & liked


def debias_metrics(
    scores: Scores, held_out: Slice, *, is_head: NDArray[np.bool_], weights: NDArray[np.float32]
) -> dict[str, Estimate]:
    """Compute the metrics that debiasing should improve, and those it may harm.

    Parameters
    ----------
    scores : (n_users, n_tracks)
        More is better.
    held_out
        The plays to score against.
    is_head : (n_tracks,)
        The most played tracks.
    weights : (n_draws, n_users)
        Resamples of the users.

    Returns
    -------
    by metric
        ``tail_share@k``, of recommendations that fall on the long tail; ``coverage@k``; ``gini@k`` over all the tracks,
        including those recommended to nobody; ``like_rate@k``, likes of the recommended tracks that were played;
        ``auc``, liked against disliked or skipped; ``ndcg@k`` of likes; and ``ndcg@k_even``, of equally many likes of
        every track, averaged over users and draws together: a user who likes popular tracks has a like left in few
        draws, and so little weight.
    """
    recommended = top_k(np.where(held_out.candidates, scores, -np.inf))
    by_user = metrics_by_user(scores, recommended, held_out, is_head=is_head)
    return {
        **{name: mean_over_users(values, weights) for name, values in by_user.items()},
        **spread(recommended, scores.shape[1], weights),
    }


def metrics_by_user(
    scores: Scores, recommended: NDArray[np.int64], held_out: Slice, *, is_head: NDArray[np.bool_]
) -> dict[str, Scores]:
    """Compute what `debias_metrics` averages: (n_users,) by metric, or (n_draws, n_users) of the evened one."""
    k = recommended.shape[1]
    n_heard, n_liked = (
        np.take_along_axis(table, recommended, axis=1).sum(1) for table in (held_out.heard, held_out.liked)
    )
    return {
        f"tail_share@{k}": (~is_head[recommended]).mean(1),
        f"like_rate@{k}": np.divide(n_liked, n_heard, out=np.full(len(n_heard), np.nan), where=n_heard > 0),
        "auc": auc_by_row(scores, held_out.liked, held_out.rejected),
        f"ndcg@{k}": ranking_by_user(recommended, held_out.liked)[f"ndcg@{k}"],
        f"ndcg@{k}_even": np.stack([ranking_by_user(recommended, liked)[f"ndcg@{k}"] for liked in held_out.liked_even]),
    }


def mean_over_users(values: Scores, weights: NDArray[np.float32]) -> Estimate:
    """Average over users, (n_users,), or over users and draws together, (n_draws, n_users)."""
    return mean_interval(values.ravel(), weights if values.ndim == 1 else np.tile(weights, len(values)))


def cut_slices(plays: PlayLog, start: float, *, n_users: int, n_tracks: int, seed: int) -> Iterator[Slice]:
    """Split the days after the start in two; tracks played before it are not candidates."""
    candidates = ~played_table(plays.where(plays.day <= start), n_users, n_tracks)
    for name, begin, end in (("validation", start, start + SLICE_DAYS), ("test", start + SLICE_DAYS, np.inf)):
        later = plays.where((plays.day > begin) & (plays.day <= end))
        feedback = feedback_table(later, n_users, n_tracks)
        liked = (feedback > 0) & candidates
        if not liked.any():
            raise ValueError(f"plays must hold likes in the {name} days, {begin:g} to {end:g}, got none")
        yield Slice(
            name=name,
            heard=played_table(later, n_users, n_tracks) & candidates,
            liked=liked,
            rejected=(feedback < 0) & candidates,
            liked_even=np.stack([keep_even(liked, seed=seed + draw) for draw in range(N_EVEN_DRAWS)]),
            candidates=candidates,
        )


def main(
    world: World,
    c: Annotated[list[float] | None, typer.Option("--c", help="Repeatable; a grid from 0 to 20 by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of training and resamples.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Score recommendations with popularity removed, with c chosen on earlier days (simulated if the world is)."""
    rows = evaluate_debias(world, c_grid=c or C_GRID, settings=DebiasSettings(seed=seed))
    put_rows(rows, by=("slice", "method", "c", "chosen"), as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
