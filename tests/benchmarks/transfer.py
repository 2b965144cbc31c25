"""A second kind of content, recommended from what users play of a first (simulated); prints a Markdown table.

    python -m tests.benchmarks.transfer --world ../shared/world2 --plays FILE --valid FILE [--item clip]
    python -m tests.benchmarks.transfer --world ../shared/world2 --plays FILE --choose [--hide 0.15]

The AUC sets likes against skips and dislikes over all plays of a group of users; recall@10 is of what a user liked and
had not played, among all items. ``--choose`` judges the later plays of the log itself, from `CHOICE_DAY` on. ``--hide``
hides the plays to learn from of a share of the users, so that there are enough without one. Intervals resample users;
figures are means over three seeds.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.metrics.auc import auc_by_group
from audio_engine.metrics.bootstrap import Estimate, mean_interval, percentile_interval, user_weights
from audio_engine.metrics.ranking_quality import K, ranking_by_user, top_k
from audio_engine.plays.formats import scan_plays
from audio_engine.transfer.factors import FactorSettings, learn_factors, preferences
from audio_engine.transfer.recommendations import KindLog, read_kind, scan_kind, user_factors, users_of_logs
from metric_learning.play_log import played_table

Floats = NDArray[np.floating]
SEEDS = (0, 1, 2)
CHOICE_DAY = 125.0  # of 150 in the log
GROUPS = {"0": (0, 0), "1 to 3": (1, 3), "4 and more": (4, 1 << 30)}  # plays of the second kind
SONGS = ("plays_train.parquet", "late_first_plays.parquet")
AUC_DRAWS = 200  # resamples, where each costs a pass over the plays
ALONE = "second kind alone"


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What is learned from, and what judges."""

    songs: KindLog
    learned: KindLog
    judged: KindLog


def popularity(task: Task, _seed: int) -> Floats:
    """Score items by their likes, the same for all users."""
    likes = task.learned.plays.count_by("track", task.learned.shape[1], likes_only=True)
    return np.broadcast_to(likes.astype(np.float64), task.learned.shape)


def alone(task: Task, seed: int, *, leaning: float = 0.0) -> Floats:
    """Score by factors of the second kind, with or without the lean on popularity."""
    return _factorised(task, None, replace(FactorSettings(seed=seed), popularity=leaning))


def song_popularity(task: Task, seed: int) -> Floats:
    """Map how popular the songs are that a user likes, one number."""
    plays = task.songs.plays
    likes = plays.where(plays.liked)
    popular = np.log1p(likes.count_by("track", task.songs.shape[1]))
    total, n = (np.bincount(likes.user, of, task.songs.n_users) for of in (popular[likes.track], np.ones(len(likes))))
    level = (total + 5 * popular[likes.track].mean()) / (n + 5) - popular[likes.track].mean()
    return _factorised(task, level[:, None].astype(np.float32), FactorSettings(seed=seed))


def emcdr(task: Task, seed: int) -> Floats:
    """Map the song factors into factors of the second kind learned before, for users with plays as well."""
    wanted, known = preferences(task.learned.plays, task.learned.shape), user_factors(task.songs)
    factors = learn_factors(wanted, settings=FactorSettings(seed=seed, popularity=0))
    both = (wanted.sum(axis=1) > 0) & known.any(axis=1)
    about = np.column_stack([known / known.std(), np.ones(len(known))])
    gram = about[both].T @ about[both] + 100 * np.eye(about.shape[1])
    return about @ np.linalg.solve(gram, about[both].T @ factors.users[both]) @ factors.items.T


def transferred(task: Task, seed: int) -> Floats:
    """Score as `audio-engine transfer` does."""
    return _factorised(task, user_factors(task.songs), FactorSettings(seed=seed))


METHODS: dict[str, Callable[[Task, int], Floats]] = {
    ALONE: alone,
    "alone, leaning on popularity": lambda task, seed: alone(task, seed, leaning=FactorSettings().popularity),
    "popularity of the second kind": popularity,
    "song popularity": song_popularity,
    "EMCDR, mapped only": emcdr,
    "transfer": transferred,
}


def _factorised(task: Task, known: NDArray[np.float32] | None, settings: FactorSettings) -> Floats:
    """Score by factors that are drawn towards what is known."""
    factors = learn_factors(preferences(task.learned.plays, task.learned.shape), known=known, settings=settings)
    return factors.users @ factors.items.T


def read_task(world: Path, plays: Path, valid: Path | None, *, item: str, hide: float) -> Task:
    """Read the logs; without `valid`, split the log of plays; hide the plays of a share of the users."""
    songs = pl.concat([scan_plays(world / name) for name in SONGS])
    parts = [scan_kind(plays, item)] + ([] if valid is None else [scan_kind(valid, item)])
    users = users_of_logs([songs, *parts])
    items = pl.concat([part.select("track") for part in parts]).unique().sort("track").collect()["track"].to_list()
    first = read_kind(parts[0], users, items=items)
    hidden = np.random.default_rng(0).random(len(users)) < hide
    shown = ~hidden[first.plays.user]
    if valid is not None:
        judged = read_kind(parts[1], users, items=items)
    else:
        late = first.plays.day >= CHOICE_DAY
        shown &= ~late
        judged = replace(first, plays=first.plays.where(late))
    return Task(songs=read_kind(songs, users), learned=replace(first, plays=first.plays.where(shown)), judged=judged)


def judge(task: Task) -> None:
    """Print a line for each group of users and method."""
    scores = {name: np.stack([score(task, seed) for seed in SEEDS]) for name, score in METHODS.items()}
    n_plays = task.learned.plays.count_by("user", task.learned.n_users)
    print("| plays | users | method | AUC | above alone | recall@10 | above alone |\n|---|---|---|---|---|---|---|")
    for group, (low, high) in GROUPS.items():
        some = (n_plays >= low) & (n_plays <= high)
        aucs, recalls, n_users = {}, {}, 0
        for name, by_seed in scores.items():
            aucs[name] = np.mean([_aucs(task, score, some) for score in by_seed], axis=0)
            found = [_recalls(task, score, some) for score in by_seed]
            recalls[name], n_users = np.mean(found, axis=0), len(found[0])
        weights = user_weights(n_users, seed=0)
        for name in METHODS:
            auc, more = aucs[name], aucs[name] - aucs[ALONE]
            figures = (
                _interval(auc),
                _interval(more),
                mean_interval(recalls[name], weights),
                mean_interval(recalls[name] - recalls[ALONE], weights),
            )
            print(f"| {group} | {n_users} | {name} | " + " | ".join(map(str, figures)) + " |")


def _aucs(task: Task, scores: Floats, some: NDArray[np.bool_]) -> Floats:
    """Compute the AUC of some users' plays, then those of resamples of the users; NaN where undefined."""
    plays = task.judged.plays
    plays = plays.where((plays.liked | plays.rejected) & some[plays.user])
    users, row = np.unique(plays.user, return_inverse=True)
    draws = user_weights(len(users), seed=0, n_draws=AUC_DRAWS).astype(np.float64)
    weights = [np.ones(len(plays)), *(draw[row] for draw in draws)]
    of_plays = scores[plays.user, plays.track]
    return auc_by_group(np.zeros(len(plays), np.int64), plays.liked, of_plays, n_groups=1, weights=weights)[:, 0]


def _interval(drawn: Floats) -> Estimate:
    """Give the first of some figures, with an interval from the others that are defined."""
    return percentile_interval(float(drawn[0]), drawn[1:][~np.isnan(drawn[1:])])


def _recalls(task: Task, scores: Floats, some: NDArray[np.bool_]) -> Floats:
    """Compute recall@10 of those of some users who liked anything new: (n,)."""
    plays = task.judged.plays
    played = played_table(task.learned.plays, *task.learned.shape)
    liked = played_table(plays.where(plays.liked), *task.judged.shape) & ~played
    users = np.flatnonzero(some & liked.any(axis=1))
    return ranking_by_user(top_k(np.where(played, -np.inf, scores)[users]), liked[users])[f"recall@{K}"]


def main() -> None:
    """Read the options, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True, help=f"folder of {' and '.join(SONGS)}")
    parser.add_argument("--plays", type=Path, required=True, help="log of the second kind to learn from")
    judging = parser.add_mutually_exclusive_group(required=True)
    judging.add_argument("--valid", type=Path, help="log of the second kind that judges")
    judging.add_argument("--choose", action="store_true", help="judge by the later plays of --plays")
    parser.add_argument("--item", default="clip", help="column of the items")
    parser.add_argument("--hide", type=float, default=0.0, metavar="SHARE", help="of users, whose plays are hidden")
    options = parser.parse_args()
    judge(read_task(options.world, options.plays, options.valid, item=options.item, hide=options.hide))


if __name__ == "__main__":
    main()
