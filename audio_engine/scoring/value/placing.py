"""The value of tracks under a policy, part by part, and their places under its floors and quotas.

The parts of a track's score are its dimensions, standardised over the tracks with plays and weighted, and the weights
of the rules that it falls under; the score is their sum. The first places are then given out one by one. At place k, a
floor of share f asks for ⌊f·k⌋ tracks of its rule among the first k, and a quota of share q allows ⌈q·k⌉. If some floor
is behind, the best track that helps the most of them gets the place; else the best track. A track that breaks a quota
waits, unless all do.

References
----------
L. Celis, D. Straszak, N. Vishnoi, Ranking with fairness constraints, ICALP 2018: bounds from below and above on each
prefix, and the greedy choice, which is the best one where each track falls under at most one rule.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.scoring.value.dimension import Dimension
from audio_engine.scoring.value.policy import DIMENSIONS, Policy, Rule

MOST_DEVIATIONS = 3.0  # standard deviations that one dimension can count for
RATIOS = ("quality", "pay", "circle", "pull_new", "pull_returning")  # to the average: 1 is that
LEAST_RATIO = 0.02  # ratios are cut there before their logarithm is taken
LEAST_CHANCE = 1e-4  # probabilities are cut there before their logit is taken
BY_SCORE, OVER_QUOTA = "score", "score, over a quota"

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def standardised(name: str, dimension: Dimension, has_plays: Bools) -> Floats:
    """Bring a dimension to mean 0 and standard deviation 1 over the tracks with plays, cut at three deviations.

    Heat counts by its logarithm, log(1 + heat), ratios by theirs, and the soaring forecast by its logit. A dimension in
    which all tracks are alike is 0.

    Parameters
    ----------
    name
        Of the dimension.
    dimension
        Of n tracks.
    has_plays : (n_tracks,)
        Whether each has plays.

    Returns
    -------
    standardised : (n_tracks,)
    """
    value = dimension.value
    if name == "heat":
        value = np.log1p(value)
    elif name in RATIOS:
        value = np.log(np.maximum(value, LEAST_RATIO))
    elif name == "soaring":
        chance = value.clip(LEAST_CHANCE, 1 - LEAST_CHANCE)
        value = np.log(chance / (1 - chance))
    known = value[has_plays] if has_plays.any() else value
    spread = known.std()
    if not spread > 1e-9:
        return np.zeros(len(value))
    return np.asarray(((value - known.mean()) / spread).clip(-MOST_DEVIATIONS, MOST_DEVIATIONS))


def parts_of(
    dimensions: Mapping[str, Dimension], has_plays: Bools, under: Mapping[str, Bools], policy: Policy
) -> pl.DataFrame:
    """Work out the parts of each track's score.

    Parameters
    ----------
    dimensions
        By name.
    has_plays : (n_tracks,)
        Whether each track has plays.
    under
        By rule, which tracks fall under it.
    policy
        Weights and rules.

    Returns
    -------
    parts
        ``score``, then ``part_NAME`` of each dimension and ``rule_NAME`` of each rule, which sum to it.
    """
    parts = {
        f"part_{name}": policy.weight(name) * standardised(name, dimensions[name], has_plays) for name in DIMENSIONS
    }
    parts |= {f"rule_{rule.name}": np.where(under[rule.name], rule.weight, 0.0) for rule in policy.rules}
    return pl.DataFrame({"score": np.sum(list(parts.values()), axis=0), **parts})


def give_places(
    score: Floats, under: Mapping[str, Bools], rules: Sequence[Rule], *, n_places: int
) -> tuple[NDArray[np.int64], list[str]]:
    """Order tracks by score, the first places under floors and quotas.

    Parameters
    ----------
    score : (n_tracks,)
        More is better.
    under
        By rule, which tracks fall under it, (n_tracks,).
    rules
        Their floors and quotas.
    n_places
        In how many places these hold.

    Returns
    -------
    order : (n_tracks,)
        Rows, the best first; ties by row.
    given_by
        Why each of them has its place: ``score``, ``floor of NAME``, or ``score, over a quota``.
    """
    by_score = np.argsort(-score, kind="stable")
    bound = [rule for rule in rules if rule.floor > 0 or rule.quota < 1]
    if not bound:
        return by_score, [BY_SCORE] * len(score)
    queues = _queues(by_score, np.stack([under[rule.name] for rule in bound]))
    n_had, order, given_by = np.zeros(len(bound), np.int64), [], []
    for place in range(1, min(n_places, len(score)) + 1):
        kind, why = _choose(queues, n_had, bound, score, place=place)
        order.append(queues[kind].pop())
        given_by.append(why)
        n_had += np.array(kind)
        if not queues[kind]:
            del queues[kind]
    rest = by_score[~np.isin(by_score, order)]
    return np.append(np.array(order, np.int64), rest), given_by + [BY_SCORE] * len(rest)


def _queues(by_score: NDArray[np.int64], under: Bools) -> dict[tuple[bool, ...], list[int]]:
    """Queue the tracks by which rules they fall under, the best last."""
    queues: dict[tuple[bool, ...], list[int]] = {}
    kinds = under.T
    for row in by_score[::-1].tolist():
        queues.setdefault(tuple(kinds[row].tolist()), []).append(row)
    return queues


def _choose(
    queues: Mapping[tuple[bool, ...], list[int]],
    n_had: NDArray[np.int64],
    rules: Sequence[Rule],
    score: Floats,
    *,
    place: int,
) -> tuple[tuple[bool, ...], str]:
    """Choose from which queue the track at a place comes, and say why."""
    behind = [int(n) < math.floor(rule.floor * place + 1e-9) for n, rule in zip(n_had, rules, strict=True)]
    full = [int(n) >= math.ceil(rule.quota * place - 1e-9) for n, rule in zip(n_had, rules, strict=True)]
    allowed = [kind for kind in queues if not any(np.logical_and(kind, full))]
    best = max(
        allowed or queues,
        key=lambda kind: (
            int(np.logical_and(kind, behind).sum()) if allowed else 0,
            score[queues[kind][-1]],
            -queues[kind][-1],
        ),
    )
    if not allowed:
        return best, OVER_QUOTA
    helped = [rule.name for rule, is_in, is_behind in zip(rules, best, behind, strict=True) if is_in and is_behind]
    return best, f"floor of {' and '.join(helped)}" if helped else BY_SCORE
