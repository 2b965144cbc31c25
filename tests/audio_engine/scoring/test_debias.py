from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import spearmanr

from audio_engine.metrics.auc import auc_by_row
from audio_engine.metrics.bootstrap import Estimate
from audio_engine.recall import unplayed
from audio_engine.scoring.debias import DebiasedModel, DebiasSettings, _loss, play_weights, train_debiased
from audio_engine.scoring.debiased_recommendations import SCHEMA, read_log, read_log_with_vectors, recommend_debiased
from metric_learning.play_log import LIKE, PlayLog, played_table
from tests.benchmarks.experiments.debias import (
    Slice,
    choose_c,
    cut_slices,
    debias_metrics,
    evaluate_debias,
    head_of,
    keep_even,
)

N_USERS, N_TRACKS = 400, 40
SETTINGS = DebiasSettings(dim=4, n_epochs=30, batch_size=2_048, weight_decay=1e-4)
HAND = DebiasedModel(
    users=np.array([[1.0, 2.0]], np.float32),
    tracks=np.array([[3.0, 0.0], [0.0, 1.0], [0.0, 0.5]], np.float32),
    user_activity=np.array([0.5], np.float32),
    track_popularity=np.array([0.9, 0.5, 0.1], np.float32),
)


def two_tastes() -> PlayLog:
    """Even users like even tracks, odd users odd ones; the lower its number, the more a track is played by anyone."""
    rng = np.random.default_rng(0)
    chance = 0.9 / np.sqrt(1 + np.arange(N_TRACKS) / 4)
    alike = (np.arange(N_USERS)[:, None] - np.arange(N_TRACKS)) % 2 == 0
    user, track = np.nonzero(rng.random((N_USERS, N_TRACKS)) < chance * np.where(alike, 1.0, 0.2))
    order = rng.permutation(len(user))
    return PlayLog(
        user=user[order],
        track=track[order],
        day=np.linspace(0, 60, len(user), dtype=np.float32),
        completion=np.ones(len(user), np.float32),
        action=np.full(len(user), LIKE, np.int8),
    )


@pytest.fixture(scope="module")
def trained() -> DebiasedModel:
    return train_debiased(two_tastes(), n_users=N_USERS, n_tracks=N_TRACKS, settings=SETTINGS)


def test_scores_worked_by_hand() -> None:
    # matches 3, 2, 1; less c = 1; times the popularity 0.9, 0.5, 0.1 and the activity 0.5
    assert HAND.match().tolist() == [[3, 2, 1]]
    assert HAND.scores(1.0)[0].tolist() == pytest.approx([0.9, 0.25, 0])
    assert HAND.scores(1.0, np.array([0]))[0].tolist() == pytest.approx([0.9, 0.25, 0])


def test_without_c_popularity_pulls_up_and_with_a_large_c_it_pulls_down() -> None:
    assert np.argsort(-HAND.scores(0.0)[0]).tolist() == [0, 1, 2]
    assert np.argsort(-HAND.scores(1e6)[0]).tolist() == [2, 1, 0]


def test_the_loss_is_the_papers_in_plain_numbers() -> None:
    settings = DebiasSettings(track_loss_weight=0.3, user_loss_weight=0.2)
    match, popularity, activity, sign = [1.5, -0.2], [0.4, -1.0], [0.1, 2.0], [1.0, -1.0]

    def sigmoid(x: float) -> float:
        return float(1 / (1 + np.exp(-x)))

    def cross_entropy(y: float, p: float) -> float:
        return float(-np.log(p if y > 0 else 1 - p))

    expected = 0.0
    for k, i, u, y in zip(match, popularity, activity, sign, strict=True):
        joint = k * sigmoid(i) * sigmoid(u)
        expected += cross_entropy(y, sigmoid(joint))
        expected += 0.3 * cross_entropy(y, sigmoid(i)) + 0.2 * cross_entropy(y, sigmoid(u))
    found = _loss(tuple(torch.tensor(v) for v in (match, popularity, activity)), torch.tensor(sign), settings)
    assert float(found) == pytest.approx(expected / 2)


def test_the_item_branch_learns_who_is_popular(trained: DebiasedModel) -> None:
    n_plays = np.bincount(two_tastes().track, minlength=N_TRACKS)
    assert spearmanr(trained.track_popularity, n_plays).statistic > 0.8


def test_the_match_learns_taste(trained: DebiasedModel) -> None:
    alike = (np.arange(N_USERS)[:, None] - np.arange(N_TRACKS)) % 2 == 0
    unplayed = ~played_table(two_tastes(), N_USERS, N_TRACKS)
    assert np.nanmean(auc_by_row(trained.match(), alike & unplayed, ~alike & unplayed)) > 0.8


def test_a_larger_c_recommends_more_of_the_long_tail(trained: DebiasedModel) -> None:
    log = two_tastes()
    held_out = next(iter(cut_slices(log, 30.0, n_users=N_USERS, n_tracks=N_TRACKS, seed=0)))
    is_head = head_of(np.bincount(log.track, minlength=N_TRACKS))
    assert is_head.sum() == 8
    weights = np.ones((3, N_USERS), np.float32)
    found = [
        debias_metrics(trained.scores(c), held_out, is_head=is_head, weights=weights)["tail_share@10"].value
        for c in (0.0, 3.0, 1e3)
    ]
    assert found[0] < found[1] < found[2]


def test_without_branches_nothing_depends_on_c() -> None:
    settings = DebiasSettings(dim=4, n_epochs=1, with_branches=False)
    plain = train_debiased(two_tastes(), n_users=N_USERS, n_tracks=N_TRACKS, settings=settings)
    assert plain.scores(2.0) == pytest.approx(plain.match() - 2)


def test_a_track_that_nobody_played_is_scored_by_its_sound() -> None:
    log = two_tastes()
    sound = np.eye(2, dtype=np.float32)[np.arange(N_TRACKS) % 2]
    heard = log.where(log.track < N_TRACKS - 2)  # the last even and the last odd track are new
    model = train_debiased(heard, n_users=N_USERS, n_tracks=N_TRACKS, vectors=sound, settings=SETTINGS)
    even, odd = model.match()[:, -2:].T
    likes_even = np.arange(N_USERS) % 2 == 0
    assert (even - odd)[likes_even].mean() > 0 > (even - odd)[~likes_even].mean()


def test_the_same_seed_trains_the_same() -> None:
    settings = DebiasSettings(dim=4, n_epochs=2)
    first, second = (
        train_debiased(two_tastes(), n_users=N_USERS, n_tracks=N_TRACKS, settings=settings) for _ in range(2)
    )
    assert (first.scores(1.0) == second.scores(1.0)).all()


def test_what_cannot_be_learned_from_is_refused() -> None:
    log = two_tastes()
    with pytest.raises(ValueError, match="plays must hold some that were liked"):
        train_debiased(log.where(np.zeros(len(log), np.bool_)), n_users=N_USERS, n_tracks=N_TRACKS)
    with pytest.raises(ValueError, match="vectors must be 40, one per track, got 3"):
        train_debiased(log, n_users=N_USERS, n_tracks=N_TRACKS, vectors=np.ones((3, 2), np.float32))


def test_slices_hold_nothing_that_was_learned_from() -> None:
    log = two_tastes()
    known = played_table(log.where(log.day <= 30), N_USERS, N_TRACKS)
    validation, test = cut_slices(log, 30.0, n_users=N_USERS, n_tracks=N_TRACKS, seed=0)
    assert validation.liked.any()
    assert test.liked.any()
    assert not ((validation.liked | test.liked) & known).any()
    assert not (validation.liked & test.liked).any()


def test_days_without_likes_and_logs_too_short_are_refused(tmp_path: Path) -> None:
    path = write_log(tmp_path / "plays_train.parquet")
    whole = pl.read_parquet(path)
    whole.with_columns(action=pl.lit("none"), completion=pl.lit(1.0)).write_parquet(path)
    with pytest.raises(ValueError, match=r"plays must hold likes in the validation days, 30 to 45, got none"):
        list(evaluate_debias(tmp_path, settings=DebiasSettings(dim=2, n_epochs=1)))
    whole.filter(pl.col("day") > 45).with_columns(pl.col("day") - 45).write_parquet(path)
    with pytest.raises(ValueError, match=r"plays must span more than 30 days, got none up to day -15"):
        list(evaluate_debias(tmp_path))


def test_even_likes_are_as_many_of_every_track() -> None:
    liked = np.random.default_rng(0).random((500, 20)) < np.linspace(0.02, 0.5, 20)
    kept = keep_even(liked, seed=0)
    n_kept = int(np.quantile(liked.sum(0), 0.2))
    assert not (kept & ~liked).any()
    assert kept.sum(0).tolist() == np.minimum(liked.sum(0), n_kept).tolist()


def write_log(path: Path) -> Path:
    log = two_tastes()
    table = {
        "user": [f"u{i:03}" for i in log.user],
        "track": [f"t{i:02}" for i in log.track],
        "day": log.day,
        "action": ["like"] * len(log),
    }
    pl.DataFrame(table).write_parquet(path)
    return path


def test_lists_are_the_best_tracks_that_were_not_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_log(tmp_path / "plays.parquet")
    settings = DebiasSettings(dim=4, n_epochs=2)
    monkeypatch.setattr(unplayed, "BLOCK_CELLS", 150 * N_TRACKS)
    frames = list(recommend_debiased(path, c=1.0, k=5, settings=settings))
    assert [frame["user"].n_unique() for frame in frames] == [150, 150, 100]
    found = pl.concat(frames)
    log, users, tracks = read_log(path)
    scores = train_debiased(log, n_users=len(users), n_tracks=len(tracks), settings=settings).scores(1.0)
    scores[played_table(log, len(users), len(tracks))] = -np.inf
    assert found.schema == SCHEMA
    for user in ("u000", "u117"):
        rows = found.filter(pl.col("user") == user)
        row = scores[users.index(user)]
        assert rows["rank"].to_list() == [1, 2, 3, 4, 5]
        assert rows["track"].to_list() == [tracks[i] for i in np.argsort(-row)[:5]]
        assert rows["score"].to_list() == pytest.approx(np.sort(row)[::-1][:5].tolist())


def test_vectors_of_an_export_are_taken_in_the_order_of_the_tracks(tmp_path: Path) -> None:
    vectors = {"track_id": ["b", "c", "a"], "vector": [[0.0, 2.0], [3.0, 0.0], [1.0, 0.0]]}
    schema = {"track_id": pl.String, "vector": pl.Array(pl.Float32, 2)}
    pl.DataFrame(vectors, schema=schema).write_parquet(tmp_path / "vectors.parquet")
    pl.DataFrame({"user": ["u", "u"], "track": ["b", "a"]}).write_parquet(tmp_path / "plays.parquet")
    _, _, tracks, vectors = read_log_with_vectors(tmp_path / "plays.parquet", tmp_path / "vectors.parquet")
    assert (tracks, vectors.tolist()) == (["a", "b"], [[1, 0], [0, 2]])


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"n_epochs": 0}, {"learning_rate": -1.0}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        DebiasSettings(**wrong)


def test_plays_of_tracks_without_a_vector_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_log(tmp_path / "plays.parquet")
    plays = pl.read_parquet(path)
    others = pl.DataFrame({"user": ["u000", "new", "new"], "track": ["x1", "x2", "x1"], "action": "like", "day": 1.0})
    pl.concat([plays, others.cast({"day": pl.Float32})], how="diagonal").write_parquet(path)
    known = plays["track"].unique().sort().to_list()
    vectors = tmp_path / "vectors.parquet"
    pl.DataFrame({"track": known, "vector": [[1.0, float(i)] for i in range(len(known))]}).write_parquet(vectors)
    settings = DebiasSettings(dim=4, n_epochs=1)
    found = pl.concat(recommend_debiased(path, c=1.0, k=5, vectors=vectors, settings=settings))
    assert set(found["track"]) <= set(known)
    assert set(found["user"]) == set(plays["user"])  # of whom nothing is known but other tracks is left out
    assert caplog.messages == [f"{len(plays) + 3} plays, 3 left out (3 unknown track)"]


def test_a_log_of_other_tracks_than_those_with_vectors_is_refused(tmp_path: Path) -> None:
    path = write_log(tmp_path / "plays.parquet")
    pl.DataFrame({"track_id": ["other"], "vector": [[1.0, 0.0]]}).write_parquet(tmp_path / "vectors.parquet")
    with pytest.raises(ValueError, match=r"vectors of tracks played, got none of 40: t00"):
        recommend_debiased(path, c=1.0, k=5, vectors=tmp_path / "vectors.parquet")


def test_the_evaluation_chooses_one_c_on_validation_and_reports_it_on_test(tmp_path: Path) -> None:
    write_log(tmp_path / "plays_train.parquet")
    rows = list(evaluate_debias(tmp_path, c_grid=(0.0, 2.0, 1e3), settings=DebiasSettings(dim=4, n_epochs=3)))
    assert {row.about["slice"] for row in rows} == {"validation", "test"}
    chosen = {(row.about["slice"], row.about["c"]) for row in rows if row.about["chosen"]}
    assert len({c for _, c in chosen}) == 1
    assert len(chosen) == 2
    curve = {
        row.about["c"]: Estimate(value=row.value, low=row.low, high=row.high)
        for row in rows
        if row.about["slice"] == "validation" and row.metric == "ndcg@10_even" and row.about["c"] is not None
    }
    assert next(iter(chosen))[1] == choose_c(curve)


def test_the_smallest_c_within_one_standard_error_of_the_best_is_chosen() -> None:
    values = {0.0: 0.30, 1.0: 0.36, 2.0: 0.39, 3.0: 0.40}
    curve = {c: Estimate(value=value, low=value - 0.0392, high=value + 0.0392) for c, value in values.items()}
    assert choose_c(curve) == 2.0  # the error is 0.0784 / 3.92 = 0.02


def test_the_like_rate_is_that_of_recommended_tracks_that_were_played() -> None:
    none = np.zeros((1, 12), np.bool_)
    heard, liked = none.copy(), none.copy()
    heard[0, [1, 2, 3, 11]] = liked[0, [2, 11]] = True
    held_out = Slice(name="test", heard=heard, liked=liked, rejected=none, liked_even=liked[None], candidates=~none)
    scores = -np.arange(12.0)[None]  # recommends 0 to 9
    found = debias_metrics(scores, held_out, is_head=none[0], weights=np.ones((2, 1), np.float32))
    assert found["like_rate@10"].value == pytest.approx(1 / 3)


def test_plays_of_rare_tracks_weigh_more_as_worked_by_hand() -> None:
    n_plays = np.array([1, 4, 16, 43])  # 16 on average
    assert play_weights(n_plays, 0.0).tolist() == [1, 1, 1, 1]
    raw = np.array([4, 2, 1, (16 / 43) ** 0.5])
    np.testing.assert_allclose(play_weights(n_plays, 0.5), raw / raw.mean(), rtol=1e-6)
    assert play_weights(np.array([0, 1_000]), 1.0).tolist() == play_weights(np.array([1, 1_000]), 1.0).tolist()


def test_a_larger_propensity_recommends_more_of_the_long_tail() -> None:
    log = two_tastes()
    unplayed = ~played_table(log, N_USERS, N_TRACKS)
    is_tail = ~head_of(np.bincount(log.track, minlength=N_TRACKS))
    shares = []
    for power in (0.0, 1.0):
        settings = replace(SETTINGS, with_branches=False, propensity=power)
        scores = train_debiased(log, n_users=N_USERS, n_tracks=N_TRACKS, settings=settings).match()
        shares.append(is_tail[np.argsort(-np.where(unplayed, scores, -np.inf), axis=1)[:, :5]].mean())
    assert shares[0] < shares[1]
    with pytest.raises(ValueError, match="propensity must be between 0 and 1, got 2"):
        DebiasSettings(propensity=2)
