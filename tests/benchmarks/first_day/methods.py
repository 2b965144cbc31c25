"""Contestants of the first-day benchmark: each scores all tracks for the late users, given their first plays."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.recall.user_profile import taste_vectors, tastes_of
from metric_learning.federated.draws import PlayDraws
from metric_learning.federated.learner import Learner, embed_users, make_model
from metric_learning.federated.partner import PartnerLearner, PartnerSide, make_partner_tower
from metric_learning.federated.recipe import FederatedRecipe, FederatedTraining, PartnerRecipe
from metric_learning.federated.two_tower import TwoTower, UserVectors
from metric_learning.play_log import PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.train_user import UserTraining, train_user_tower
from metric_learning.user import UserTower
from metric_learning.user import embed_users as embed_by_tower
from metric_learning.user_recipe import UserColumn, UserRecipe
from tests.benchmarks.first_day.data import FirstDay

CIRCLE_PRIOR = 20.0  # users' worth of the whole that is added to a circle, chosen on artificially late users

Scores = NDArray[np.float32]  # (n_late, n_tracks)
Scorer = Callable[[PlayLog], dict[str, Scores]]  # of first plays, by the name of the method


def popularity(day: FirstDay) -> Scorer:
    """Score by likes."""
    likes = np.bincount(day.plays.track[day.plays.liked], minlength=day.n_tracks).astype(np.float32)
    return lambda _: {"popularity": np.tile(likes, (len(day.late), 1))}


def circle_popularity(day: FirstDay) -> Scorer:
    """Score by the likes of users of the same demographics, shrunk towards those of all."""
    _, circle = np.unique(day.categories, axis=0, return_inverse=True)
    circle = circle.ravel()
    liked = day.plays.where(day.plays.liked)
    likes = np.zeros((circle.max() + 1, day.n_tracks), np.float32)
    np.add.at(likes, (circle[liked.user], liked.track), 1)
    n_users = np.bincount(circle[np.unique(day.plays.user)], minlength=len(likes)).astype(np.float32)[:, None]
    mean = likes.sum(0) / n_users.sum()
    rates = (likes + CIRCLE_PRIOR * mean) / (n_users + CIRCLE_PRIOR)
    return lambda _: {"circle popularity": rates[circle[day.late]]}


def sound(day: FirstDay) -> Scorer:
    """Score by the sound of what was liked, as recall does where no user tower knows the tracks."""
    vectors = day.vectors.numpy()

    def score(first: PlayLog) -> dict[str, Scores]:
        tastes = tastes_of(first, len(day.users), day.n_tracks, now=float(first.day.max(initial=0)))
        return {"vector: sound of likes": taste_vectors(tastes, vectors)[day.late] @ vectors.T}

    return score


def user_tower(day: FirstDay, *, seed: int) -> Scorer:
    """Score by the user tower, trained on the same plays and demographics."""
    columns = (UserColumn(name=str(at), values=tuple(map(str, range(n)))) for at, n in enumerate(day.n_values))
    recipe, numbers = UserRecipe(n_tracks=day.n_tracks, columns=tuple(columns)), day.categories + 1  # 0: not known
    torch.manual_seed(seed)
    tower = UserTower(recipe)
    training = UserTraining(seed=seed)
    train_user_tower(tower, PlayTable(day.plays, len(day.users), recipe=recipe, categories=numbers), training=training)

    def score(first: PlayLog) -> dict[str, Scores]:
        shown = first if len(first) else day.plays.where(np.arange(1))  # of no late user
        now = float(day.first.day.max())
        table = PlayTable(shown, len(day.users), recipe=recipe, categories=numbers, now=now)
        with torch.no_grad():
            return {"user tower": tower.logits(torch.from_numpy(embed_by_tower(tower, table)[day.late])).numpy()}

    return score


def federated(
    day: FirstDay, *, training: FederatedTraining, with_partner: bool, head: str = "mmoe", cut_dim: int = 16
) -> Scorer:
    """Score by the federated model, with or without a partner: by its ranking, and by its vector for recall.

    Both halves are in this process: a test shows that two processes give the same to 1e-5.
    """
    recipe = FederatedRecipe(n_tracks=day.n_tracks, categories=day.n_values, cut_dim=cut_dim, head=head)  # type: ignore[arg-type]
    model = make_model(recipe, seed=training.seed)
    partner = None
    if with_partner:
        tower = make_partner_tower(PartnerRecipe(n_features=day.features.shape[1], cut_dim=cut_dim), seed=training.seed)
        partner = PartnerLearner(day.features, tower, training)
    draws = PlayDraws(day.plays, len(day.users), categories=day.categories, recipe=recipe)
    Learner(
        model, draws, vectors=day.vectors, row_at_partner=day.row_at_partner, partner=partner, training=training
    ).train()
    return scorer_of(day, model, recipe, partner, name="federated" if with_partner else "federated without partner")


def scorer_of(
    day: FirstDay, model: TwoTower, recipe: FederatedRecipe, partner: PartnerSide | None, *, name: str
) -> Scorer:
    """Score by a trained model."""

    def score(first: PlayLog) -> dict[str, Scores]:
        shown = PlayDraws(first, len(day.users), categories=day.categories, recipe=recipe)
        with torch.no_grad():
            users = embed_users(model, shown, day.vectors, row_at_partner=day.row_at_partner, partner=partner)
            late = UserVectors(recall=users.recall[day.late], tasks=users.tasks[day.late])
            tracks = model.tracks(day.vectors, torch.arange(day.n_tracks))
            ranked = model.rank_scores(model.task_logits(late, tracks), tracks)
            return {name: ranked.numpy(), f"vector: {name}": (late.recall @ day.vectors.T).numpy()}

    return score
