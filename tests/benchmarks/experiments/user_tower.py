"""The user tower on real play counts of users over artists, with a fifth of each user's artists hidden.

The tower is compared with alternating least squares and Bayesian personalised ranking of the same size, each tuned on
its own validation part; and users left out of training with those in it. No audio is involved.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import torch
import typer
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array
from threadpoolctl import threadpool_limits

from audio_engine.cli.options import AsJson
from audio_engine.cli.printing import number, put_json, put_table, say
from audio_engine.metrics.bootstrap import mean_interval, user_weights
from audio_engine.metrics.ranking_quality import ranking_by_user, top_k
from audio_engine.metrics.results import Result, results_of
from metric_learning.play_log import NONE, PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.user import UserTower, embed_users
from metric_learning.user_recipe import UserRecipe
from tests.benchmarks.experiments.implicit_factors import ImplicitSettings, implicit_track_vectors

K = 20  # length of a recommendation
DIM = 40
HIDDEN_SHARE = 0.2  # of each user's artists, to score on
VALIDATION_SHARE = 0.1  # of the rest, for tuning
LEFT_OUT_SHARE = 0.1  # of users, held out of training
ALS_GRID = tuple(product((0.01, 1.0, 10.0, 30.0, 100.0), (1.0, 10.0, 40.0)))  # regularisation, confidence of a play
BPR_GRID = tuple(product((0.01, 0.05, 0.1), (0.001, 0.01, 0.1)))  # learning rate, regularisation
TOWER_GRID = tuple(product((0.01, 0.03, 0.1), (2.0, 5.0, 10.0)))  # weight of unplayed cells, ridge of a user

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CountSplit:
    """Play counts, some of each user's hidden."""

    known: csr_matrix  # (n_users, n_artists) visible counts
    hidden: NDArray[np.bool_]  # (n_users, n_artists) artists to predict
    left_out: NDArray[np.bool_]  # (n_users,) users held out of training


def read_counts(folder: Path) -> csr_matrix:
    """Read ``user_artists.dat`` of HetRec 2011 Last.fm.

    Returns
    -------
    counts : (n_users, n_artists)

    References
    ----------
    I. Cantador, P. Brusilovsky, T. Kuflik, Second workshop on information heterogeneity and fusion in recommender
    systems, RecSys 2011.
    """
    table = pl.read_csv(folder / "user_artists.dat", separator="\t", new_columns=["user", "artist", "weight"])
    user, artist = (table[name].rank("dense").to_numpy().astype(np.int64) - 1 for name in ("user", "artist"))
    return csr_matrix((table["weight"].to_numpy().astype(np.float32), (user, artist)))


def split_counts(counts: csr_matrix, *, share: float, seed: int, left_out_share: float = 0.0) -> CountSplit:
    """Hide a share of each user's artists, at least one of those who have two.

    Parameters
    ----------
    counts : (n_users, n_artists)
        Play counts.
    share
        Of each user's artists to hide.
    seed
        Of the draw.
    left_out_share
        Of users to leave out of training.

    Returns
    -------
    split
    """
    rng = np.random.default_rng(seed)
    rows, columns = counts.nonzero()
    place = np.argsort(np.lexsort((rng.random(len(rows)), rows))) - np.searchsorted(rows, rows)
    degree = np.bincount(rows, minlength=counts.shape[0])
    is_hidden = place < np.where(degree > 1, np.maximum(1, np.round(share * degree)), 0)[rows]
    hidden = np.zeros(counts.shape, np.bool_)
    hidden[rows[is_hidden], columns[is_hidden]] = True
    open_cells = ~is_hidden
    values = np.asarray(counts[rows[open_cells], columns[open_cells]]).ravel()
    known = csr_matrix((values, (rows[open_cells], columns[open_cells])), shape=counts.shape)
    return CountSplit(known=known, hidden=hidden, left_out=rng.random(counts.shape[0]) < left_out_share)


def evaluate_user_tower(folder: Path, *, seed: int = 0) -> Iterator[Result]:
    """Score the user tower, alternating least squares and Bayesian personalised ranking on real listening.

    Parameters
    ----------
    folder
        Of HetRec 2011 Last.fm.
    seed
        Of the split and of training.

    Yields
    ------
    result
        About ``people`` (in training, or left out of it) and ``settings``, chosen on the validation part.
    """
    outer = split_counts(read_counts(folder), share=HIDDEN_SHARE, seed=seed, left_out_share=LEFT_OUT_SHARE)
    inner = split_counts(outer.known, share=VALIDATION_SHARE, seed=seed + 1)
    inner = CountSplit(known=inner.known, hidden=inner.hidden, left_out=outer.left_out)
    scorers = {"user tower": tower_scores, "implicit ALS": als_scores, "implicit BPR": bpr_scores}
    grids = {"user tower": TOWER_GRID, "implicit ALS": ALS_GRID, "implicit BPR": BPR_GRID}
    weights = user_weights(outer.hidden.shape[0], seed=seed)
    for method, scores in scorers.items():
        tuned = {choice: _tuning_score(scores(inner, choice, seed=seed), inner) for choice in grids[method]}
        best = max(tuned, key=lambda choice: tuned[choice])
        found = ranking_by_user(top_k(_unknown_only(scores(outer, best, seed=seed), outer), K), outer.hidden)
        for people, who in (("in training", ~outer.left_out), ("left out", outer.left_out)):
            means = {
                metric: mean_interval(np.where(who, found[metric], np.nan), weights)
                for metric in (f"recall@{K}", f"ndcg@{K}")
            }
            yield from results_of(means, method=method, about={"people": people, "settings": str(best)})


def tower_scores(split: CountSplit, choice: tuple[float, float], *, seed: int) -> NDArray[np.float32]:
    """Fit a user tower to users in training, and embed all users by it: (n_users, n_artists).

    The tower is as `UserTower.start_from` initialises it. Training it further by softmax over hidden plays made it
    worse on the validation part (docs/experiments/learning_from_plays.md): 1,892 users are few for 17,632 artists.
    """
    unobserved_weight, ridge = choice
    n_users, n_artists = split.known.shape
    plays = counts_as_plays(split.known)
    in_training = plays.where(~split.left_out[plays.user])
    settings = ImplicitSettings(unobserved_weight=unobserved_weight, user_ridge=ridge, seed=seed)
    recipe = UserRecipe(n_tracks=n_artists, dim=DIM, unobserved_weight=unobserved_weight)
    tower = UserTower(recipe)
    tower.start_from(implicit_track_vectors(in_training, (n_users, n_artists), dim=DIM, settings=settings), ridge=ridge)
    users = embed_users(tower, PlayTable(plays, n_users, recipe=recipe))
    with torch.no_grad():
        return np.asarray(tower.logits(torch.from_numpy(users)).numpy())


def counts_as_plays(counts: csr_matrix) -> PlayLog:
    """Convert each user-artist count to one play, whose share played reflects how much the user plays that artist.

    From 0.5 for one play to 1 for the user's favourite, linear in the logarithm of the count: few plays are a weak
    positive, never a negative.
    """
    user, artist = counts.nonzero()
    logarithm = np.log1p(np.asarray(counts[user, artist]).ravel())
    most = np.zeros(counts.shape[0])
    np.maximum.at(most, user, logarithm)
    return PlayLog(
        user=user.astype(np.int64),
        track=artist.astype(np.int64),
        day=np.zeros(len(user), np.float32),
        completion=(0.5 + 0.5 * logarithm / most[user]).astype(np.float32),
        action=np.full(len(user), NONE, np.int8),
    )


def als_scores(split: CountSplit, choice: tuple[float, float], *, seed: int) -> NDArray[np.float32]:
    """Factorise by `implicit`'s alternating least squares; held-out users get a vector by one half-step."""
    from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415  (an extra)

    with threadpool_limits(1, "blas"):  # or `implicit` warns that BLAS's threads interfere with its own
        regularization, alpha = choice
        model = AlternatingLeastSquares(
            factors=DIM, regularization=regularization, alpha=alpha, iterations=15, random_state=seed, num_threads=1
        )
        logarithm = split.known.log1p()
        _fit(model, _without(logarithm, split.left_out))
        users = model.recalculate_user(np.arange(split.known.shape[0]), logarithm)
        return np.asarray(users @ model.item_factors.T)


def bpr_scores(split: CountSplit, choice: tuple[float, float], *, seed: int) -> NDArray[np.float32]:
    """Factorise by `implicit`'s Bayesian personalised ranking; it cannot score held-out users."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking  # noqa: PLC0415  (an extra)

    learning_rate, regularization = choice
    model = BayesianPersonalizedRanking(
        factors=DIM,
        learning_rate=learning_rate,
        regularization=regularization,
        iterations=150,
        random_state=seed,
        num_threads=1,
    )
    _fit(model, _without(split.known, split.left_out))
    return np.asarray(model.user_factors @ model.item_factors.T)


def _fit(model: object, counts: csr_matrix) -> None:
    """Fit a model of `implicit`, whose warnings are about speed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(counts, show_progress=False)  # type: ignore[attr-defined]


def _without(counts: csr_matrix, left_out: NDArray[np.bool_]) -> csr_matrix:
    """Empty the rows of held-out users."""
    return (diags_array((~left_out).astype(np.float32)) @ counts).tocsr()


def _unknown_only(scores: NDArray[np.float32], split: CountSplit) -> NDArray[np.float32]:
    """Rank artists that a user is known to play below all others."""
    rows, columns = split.known.nonzero()
    scores[rows, columns] = -np.inf
    return scores


def _tuning_score(scores: NDArray[np.float32], split: CountSplit) -> float:
    """Compute the recall on the validation part, for users in training."""
    recall = ranking_by_user(top_k(_unknown_only(scores, split), K), split.hidden)[f"recall@{K}"]
    return float(np.nanmean(recall[~split.left_out]))


def main(
    hetrec: Annotated[
        Path, typer.Option(metavar="DIR", help="HetRec 2011 Last.fm: ../shared/listening/hetrec2011-lastfm-2k.")
    ],
    seed: Annotated[int, typer.Option(help="Of the split and of training.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Score the user tower on real listening against implicit's ALS and BPR (needs the extra ``peers``)."""
    rows = []
    for row in evaluate_user_tower(hetrec, seed=seed):
        say(f"{row.method}, {row.about['people']}: {row.metric} {row.value:.4f}")
        rows.append(row.row())
    if as_json:
        put_json({"rows": rows})
    else:
        headings = ["method", "people", "metric", "value", "low", "high", "settings"]
        put_table(headings, [[number(row[name]) for name in headings] for row in rows])


if __name__ == "__main__":
    typer.run(main)
