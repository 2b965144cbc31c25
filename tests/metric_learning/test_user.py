import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from metric_learning import train_user
from metric_learning.model_files import USER_TOWER_FILE, RecipeMismatchError
from metric_learning.play_log import DISLIKE, LIKE, NONE, PlayLog
from metric_learning.play_table import PlayTable, play_features
from metric_learning.train_user import UserTraining, train_user_tower
from metric_learning.user import UserTower, embed_users
from metric_learning.user_checkpoint import load_user_tower, save_user_tower
from metric_learning.user_recipe import UserColumn, UserRecipe
from metric_learning.user_steps import pass_batches

N_USERS, N_TRACKS = 120, 30
RECIPE = UserRecipe(n_tracks=N_TRACKS, dim=8, width=16, max_plays=64)
COLUMNS = (UserColumn(name="side", values=("even", "odd")), UserColumn(name="joined_day", edges=(10.0, 20.0)))


def tastes(seed: int = 0) -> PlayLog:
    """Make a log in which even users like even tracks, odd users odd ones."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(N_USERS), 12)
    track = np.concatenate([rng.permutation(N_TRACKS)[:12] for _ in range(N_USERS)])
    likes = user % 2 == track % 2
    return PlayLog(
        user=user,
        track=track,
        day=rng.integers(0, 60, len(user)).astype(np.float32),
        completion=np.where(likes, 0.9, 0.2).astype(np.float32),
        action=np.where(likes, LIKE, np.where(rng.random(len(user)) < 0.5, DISLIKE, NONE)).astype(np.int8),
    )


def tower() -> UserTower:
    torch.manual_seed(0)
    return UserTower(RECIPE).eval()


def test_users_are_unit_vectors_and_do_not_depend_on_who_else_is_in_the_batch() -> None:
    table = PlayTable(tastes(), N_USERS, recipe=RECIPE)
    together, alone = embed_users(tower(), table), embed_users(tower(), table, batch_size=1)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_order_of_rows_in_the_log_does_not_matter() -> None:
    plays = tastes()
    shuffled = plays.where(np.random.default_rng(1).permutation(len(plays)))
    first, second = (embed_users(tower(), PlayTable(log, N_USERS, recipe=RECIPE)) for log in (plays, shuffled))
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_pooling_agrees_with_ridge_regression() -> None:
    model = tower()
    vectors, claim, trust = torch.randn(1, 5, 8), torch.randn(1, 5), torch.rand(1, 5)
    with torch.no_grad():
        pooled = model.pool(vectors, claim, trust)[0].numpy()
    design, weight = vectors[0].numpy(), np.diag(trust[0].numpy())
    ridge = float(model.log_ridge.exp().detach()) * np.eye(8)
    expected = np.linalg.solve(design.T @ weight @ design + ridge, design.T @ weight @ claim[0].numpy())
    np.testing.assert_allclose(pooled, expected, atol=1e-4)


def test_hidden_plays_are_not_seen() -> None:
    table = PlayTable(tastes(), N_USERS, recipe=RECIPE)
    plays, _ = table.batch(np.arange(4))
    hidden = torch.zeros_like(plays.present)
    hidden[:, 0] = True
    other = replace(plays, track=torch.where(hidden, (plays.track + 1) % N_TRACKS, plays.track))
    with torch.no_grad():
        assert torch.equal(tower()(plays.without(hidden)), tower()(other.without(hidden)))


def test_a_user_without_plays_still_gets_a_vector_in_an_empty_log_as_well() -> None:
    plays = tastes()
    vectors = embed_users(tower(), PlayTable(plays, N_USERS + 1, recipe=RECIPE))
    assert np.isfinite(vectors[-1]).all()
    empty = PlayTable(plays.where(np.zeros(len(plays), np.bool_)), 3, recipe=RECIPE)
    np.testing.assert_allclose(embed_users(tower(), empty), vectors[[-1] * 3], atol=1e-5)
    batch, signal = empty.batch(np.arange(3))
    assert not batch.present.any()
    assert not signal.any()


def test_only_the_latest_plays_are_read() -> None:
    short = replace(RECIPE, max_plays=3)
    plays = tastes()
    batch, _ = PlayTable(plays, N_USERS, recipe=short).batch(np.array([5]))
    assert batch.track.tolist()[0] == plays.track[plays.user == 5][::-1][:3].tolist()


def test_features_say_what_is_not_known() -> None:
    plays = replace(tastes(), completion=np.full(12 * N_USERS, np.nan, np.float32))
    assert np.isfinite(play_features(plays)).all()
    assert not play_features(plays)[:, -2].any()


def test_training_separates_tastes_of_held_out_users_too() -> None:
    plays = tastes()
    known = plays.where(plays.user < 100)
    model = UserTower(RECIPE)
    train_user_tower(model, PlayTable(known, 100, recipe=RECIPE), training=UserTraining(max_epochs=30, batch_size=32))
    users = embed_users(model, PlayTable(plays, N_USERS, recipe=RECIPE))
    with torch.no_grad():
        logits = model.logits(torch.from_numpy(users)).numpy()
    agree = np.arange(N_USERS)[:, None] % 2 == np.arange(N_TRACKS) % 2
    wins = np.array([row[yes].mean() > row[~yes].mean() for row, yes in zip(logits, agree, strict=True)])
    assert wins[:100].mean() > 0.95
    assert wins[100:].mean() > 0.9


def test_training_with_a_sampled_softmax_tells_tastes_apart_too() -> None:
    model = UserTower(RECIPE)
    table = PlayTable(tastes(), N_USERS, recipe=RECIPE)
    train_user_tower(model, table, training=UserTraining(max_epochs=30, batch_size=32, n_unobserved=10))
    with torch.no_grad():
        logits = model.logits(torch.from_numpy(embed_users(model, table))).numpy()
    agree = np.arange(N_USERS)[:, None] % 2 == np.arange(N_TRACKS) % 2
    assert np.mean(logits[agree]) > np.mean(logits[~agree])


def test_the_same_seed_gives_the_same_tower() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        model = UserTower(RECIPE)
        table = PlayTable(tastes(), N_USERS, recipe=RECIPE)
        train_user_tower(model, table, training=UserTraining(max_epochs=2))
        found.append(embed_users(model, table))
    np.testing.assert_array_equal(*found)


def test_the_vectors_of_tracks_that_no_step_reads_stay_as_they_were() -> None:
    plays = tastes()
    even = plays.where(plays.track % 2 == 0)
    model = tower()
    before = model.played.weight.detach().clone()
    training = UserTraining(max_epochs=2, n_unobserved=3, batch_size=16)
    train_user_tower(model, PlayTable(even, N_USERS, recipe=RECIPE), training=training)
    moved = (model.played.weight != before).any(1).numpy()
    assert moved[:N_TRACKS:2].all()  # as played, only what was played
    assert not moved[1:N_TRACKS:2].any()


def test_demographics_tell_tastes_and_what_stands_for_unknown_ones_is_learned() -> None:
    recipe = replace(RECIPE, columns=COLUMNS)
    torch.manual_seed(0)
    model = UserTower(recipe).eval()
    unknown = [table.weight[0].clone() for table in model.category_tables]
    side = np.arange(N_USERS) % 2
    known = np.stack([side + 1, np.arange(N_USERS) % 4], axis=1)
    table = PlayTable(tastes(), N_USERS, recipe=recipe, categories=known)
    train_user_tower(model, table, training=UserTraining(max_epochs=30, batch_size=32))
    assert not any(torch.equal(row, table.weight[0]) for row, table in zip(unknown, model.category_tables, strict=True))
    hardly = tastes().where(np.zeros(1, np.int64))  # all but the first have no play
    users = torch.from_numpy(embed_users(model, PlayTable(hardly, N_USERS, recipe=recipe, categories=known)))
    logits = model.logits(users).detach().numpy()
    assert (logits[side == 0][:, ::2].mean() > logits[side == 0][:, 1::2].mean()) and (
        logits[side == 1][:, 1::2].mean() > logits[side == 1][:, ::2].mean()
    )
    assert np.isfinite(embed_users(model, PlayTable(hardly, 3, recipe=recipe))).all()


def test_every_user_is_dealt_once_a_pass_beside_users_with_about_as_many_plays() -> None:
    count = np.random.default_rng(0).integers(1, 100, 600)
    users = np.flatnonzero(count > 10)
    batches = pass_batches(users, count, size=8, rng=np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == users.tolist()
    assert np.mean([np.ptp(count[batch]) for batch in batches]) < 20
    again = pass_batches(users, count, size=8, rng=np.random.default_rng(1))
    other = pass_batches(users, count, size=8, rng=np.random.default_rng(2))
    assert np.array_equal(np.concatenate(batches), np.concatenate(again))
    assert not np.array_equal(np.concatenate(batches), np.concatenate(other))


def test_a_training_that_is_killed_twice_ends_with_the_same_weights(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed.pt", tmp_path / "whole.pt"
    command = [sys.executable, "-c", TRAIN_IN_ROUNDS]
    for n_rounds in (3, 2):  # a round is a part of a pass
        with subprocess.Popen([*command, str(killed)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(n_rounds):
                assert process.stdout.readline().startswith("user tower: pass")
            process.kill()
        assert process.returncode == -signal.SIGKILL
    said = {
        out: subprocess.run([*command, str(out)], check=True, capture_output=True, text=True).stdout.splitlines()
        for out in (killed, whole)
    }
    assert said[killed][-1] == said[whole][-1]  # the digest of the weights
    assert 1 < len(said[killed]) <= len(said[whole]) - 3  # not anew


TRAIN_IN_ROUNDS = """
import functools, hashlib, pathlib, sys, torch
from metric_learning import train_user
from metric_learning.play_table import PlayTable
from tests.metric_learning.test_user import N_USERS, RECIPE, tastes, tower
train_user.SAVE_EVERY_S = 0
model, table = tower(), PlayTable(tastes(), N_USERS, recipe=RECIPE)
training = train_user.UserTraining(max_epochs=3, batch_size=16, steps_per_round=2, n_unobserved=8)
say = functools.partial(print, flush=True)
train_user.train_user_tower(model, table, training=training, checkpoint=pathlib.Path(sys.argv[1]), on_progress=say)
print(hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())).hexdigest())
"""


def test_training_waits_ten_passes_for_a_better_loss_however_often_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_user, "_held_loss", lambda *_: 1.0)
    table, passes = PlayTable(tastes(), N_USERS, recipe=RECIPE), []
    training = UserTraining(max_epochs=60, batch_size=16, steps_per_round=2)  # 7 steps a pass
    train_user_tower(tower(), table, training=training, log_metrics=lambda _, step: passes.append(step / 7))
    assert 10.0 <= passes[-1] < 11.0
    assert len(passes) == pytest.approx(passes[-1] * 7 / 2)


def test_a_damaged_checkpoint_and_one_of_other_plays_are_named_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, training = tmp_path / "user_tower.pt", UserTraining(max_epochs=2, batch_size=32)
    table = PlayTable(tastes(), N_USERS, recipe=RECIPE)
    expected = train_user_tower(tower(), table, training=training)
    train_user_tower(tower(), PlayTable(tastes(seed=1), N_USERS, recipe=RECIPE), training=training, checkpoint=file)
    assert train_user_tower(tower(), table, training=training, checkpoint=file) == expected
    assert "is of other plays or settings" in caplog.text
    file.write_bytes(file.read_bytes()[:-100])
    assert train_user_tower(tower(), table, training=training, checkpoint=file) == expected
    assert "is damaged" in caplog.text


def test_a_tower_is_saved_and_loaded_whole(tmp_path: Path) -> None:
    track_ids = tuple(f"t{i}" for i in range(N_TRACKS))
    made = UserTower(replace(RECIPE, columns=COLUMNS)).eval()
    save_user_tower(tmp_path, made, track_ids)
    loaded, names = load_user_tower(tmp_path)
    table = PlayTable(tastes(), N_USERS, recipe=RECIPE, categories=np.full((N_USERS, 2), 2))
    assert (names, loaded.recipe) == (track_ids, made.recipe)
    np.testing.assert_array_equal(embed_users(loaded, table), embed_users(made, table))


def test_a_missing_and_a_damaged_tower_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must hold user_tower"):
        load_user_tower(tmp_path)
    save_user_tower(tmp_path, tower(), ())
    whole = (tmp_path / USER_TOWER_FILE).read_bytes()
    for damaged in (b"", whole[:20], whole[:-1], whole.replace(b"user_tower", b"user_bower")):
        (tmp_path / USER_TOWER_FILE).write_bytes(damaged)
        with pytest.raises(RecipeMismatchError, match="must be whole"):
            load_user_tower(tmp_path)


def test_a_kill_while_a_tower_is_written_leaves_the_old_or_the_new_one_whole(tmp_path: Path) -> None:
    save_user_tower(tmp_path, tower(), ("0",))
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        n_seen, deadline = 0, time.monotonic() + 1.0
        while time.monotonic() < deadline:  # whoever reads meanwhile finds a whole one, too
            assert is_whole(*load_user_tower(tmp_path))
            n_seen += 1
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert n_seen > 1
    assert is_whole(*load_user_tower(tmp_path))


def is_whole(found: UserTower, track_ids: tuple[str, ...]) -> bool:
    """Tell whether weights and ids are of one writing: `WRITE_FOR_EVER` numbers both."""
    return track_ids == ("0",) or {float(weight) for weight in found.offered.weight.detach().flatten()} == {
        float(track_ids[0])
    }


WRITE_FOR_EVER = """
import itertools, pathlib, sys, torch
from metric_learning.user_checkpoint import save_user_tower
from tests.metric_learning.test_user import tower
print("writing", flush=True)
for number in itertools.count(1):
    written = tower()
    torch.nn.init.constant_(written.offered.weight, number)
    save_user_tower(pathlib.Path(sys.argv[1]), written, (str(number),))
"""


def test_sizes_are_checked_by_name() -> None:
    with pytest.raises(ValueError, match="dim must be at least 1"):
        UserRecipe(n_tracks=3, dim=0)
