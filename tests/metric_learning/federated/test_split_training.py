"""Split training against training as one network; what the partner is worth; draws."""

import numpy as np
import pytest
import torch

from metric_learning.federated.learner import Learner, embed_users, make_model
from metric_learning.federated.partner import PartnerLearner, make_partner_tower
from metric_learning.federated.recipe import FederatedTraining, PartnerRecipe
from metric_learning.play_log import LIKE
from tests.metric_learning.federated.small_world import SmallWorld, make_world, train_jointly

RECIPE = PartnerRecipe(n_features=5, width=16, cut_dim=8)


def train_split(world: SmallWorld, training: FederatedTraining, *, with_partner: bool = True):
    """Train both halves in this process, with nothing but activations and gradients between them."""
    model, partner = make_model(world.recipe, seed=1), None
    if with_partner:
        partner = PartnerLearner(world.features, make_partner_tower(RECIPE, seed=2), training)
    learner = Learner(
        model,
        world.draws(),
        vectors=world.vectors,
        row_at_partner=world.row_at_partner,
        partner=partner,
        training=training,
    )
    learner.train()
    return model, partner


@pytest.mark.parametrize("n_targets", [1, 4])
def test_split_training_equals_joint_training(n_targets: int) -> None:
    world, training = make_world(), FederatedTraining(n_steps=25, batch_size=24, n_targets=n_targets)
    model, partner = train_split(world, training)
    joint, tower = make_model(world.recipe, seed=1), make_partner_tower(RECIPE, seed=2)
    train_jointly(
        joint,
        tower,
        world.draws(),
        vectors=world.vectors,
        features=world.features,
        row_at_partner=world.row_at_partner,
        training=training,
    )
    for split, together in ((model, joint), (partner.tower, tower)):
        for name, weights in together.state_dict().items():
            torch.testing.assert_close(split.state_dict()[name], weights, atol=1e-5, rtol=0, msg=name)


def test_a_user_without_plays_is_told_by_the_partner() -> None:
    world = make_world(n_users=400, seed=3)
    liked = []
    for with_partner in (True, False):
        training = FederatedTraining(n_steps=150, batch_size=128, learning_rate=1e-2)
        model, partner = train_split(world, training, with_partner=with_partner)
        nothing = world.plays.where(np.zeros(len(world.plays), np.bool_))
        blank = SmallWorld(**{**vars(world), "plays": nothing}).draws()
        users = embed_users(model, blank, world.vectors, row_at_partner=world.row_at_partner, partner=partner)
        tracks = model.tracks(world.vectors, torch.arange(12))
        logits = model.task_logits(users, tracks)[:, 0].detach().numpy()[world.plays.user, world.plays.track]
        known, likes = world.row_at_partner[world.plays.user] >= 0, world.plays.action == LIKE
        liked.append(np.mean(logits[known & likes]) - np.mean(logits[known & ~likes]))
    assert liked[0] > liked[1] + 1.0  # log-odds between what they like and what they do not


def test_every_user_is_asked_for_once_a_pass_whatever_they_play() -> None:
    world = make_world(n_users=50)
    world.plays.user[:] = np.sort(np.random.default_rng(0).integers(0, 50, len(world.plays)) ** 2 // 50)
    draws = world.draws()
    able = np.flatnonzero(draws.count >= 2)
    n_in_pass = -(-len(able) // 8)
    dealt = list(draws.passes(batch_size=8, n_steps=3 * n_in_pass, rng=np.random.default_rng(1)))
    counts = np.bincount(np.concatenate(dealt), minlength=50)
    assert set(counts[able]) == {3}
    assert counts.sum() == 3 * len(able)


def test_what_is_shown_of_a_user_is_never_what_is_predicted() -> None:
    world = make_world(n_tracks=500, n_plays=9)
    world.plays.track[:] = np.arange(len(world.plays)) % 500  # a user plays no track twice
    draws, rng = world.draws(), np.random.default_rng(2)
    for _ in range(10):
        step = draws.draw(np.arange(60), n_targets=6, n_tracks=500, n_unobserved=100, rng=rng)
        shown = np.where(step.first.present.numpy() > 0, step.first.track.numpy(), -1)
        target = np.where(step.labels[..., 0].isnan().numpy(), -2, step.target.numpy())
        assert not (shown[:, :, None] == target[:, None, :]).any()
        assert (target >= 0).any(1).all()
        of_user = {user: set(world.plays.track[world.plays.user == user]) for user in range(60)}
        assert all(set(row[row >= 0]) <= of_user[user] for user, row in enumerate(target))


def test_a_sampled_softmax_is_near_the_whole_one() -> None:
    world = make_world(n_tracks=400)
    model, draws = make_model(world.recipe, seed=0), world.draws()
    training, losses = FederatedTraining(), []
    for n_unobserved in (400, 200):
        rng = np.random.default_rng(0)
        drawn = [
            draws.draw(np.arange(60), n_targets=8, n_tracks=400, n_unobserved=n_unobserved, rng=rng) for _ in range(8)
        ]
        model.eval()
        with torch.no_grad():
            losses.append(
                np.mean(
                    [
                        float(
                            model.loss(
                                model.users(
                                    step.first,
                                    world.vectors[step.first.track],
                                    step.first.track,
                                    crossed=torch.zeros(60, 8),
                                    is_aligned=torch.zeros(60, dtype=torch.bool),
                                ),
                                world.vectors,
                                step,
                                training=training,
                                warm=True,
                            )
                        )
                        for step in drawn
                    ]
                )
            )
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
