"""Recall in a catalogue: users of low tones get low tones, and users of high tones high ones."""

import sqlite3

import numpy as np
import polars as pl
import pytest

from audio_engine import (
    NotTrainedError,
    Play,
    RecipeMismatchError,
    TrackFilter,
    UnknownTrackError,
    UnknownUserError,
)
from audio_engine.embedding.models import shipped_model_id
from audio_engine.recall import learn_users
from metric_learning.user import UserRecipe, UserTower
from metric_learning.user_checkpoint import save_user_tower
from tests.listening_world import N_USERS, N_WARM


def is_low(track):
    return int(track.path.stem.split()[0][1:]) % 2 == 0


def stems(answer):
    return [place.track.path.stem for place in answer]


@pytest.fixture
def learned(engine, world):
    report = engine.recommender.learn_users(world / "plays_train.parquet")
    assert (report.n_users, report.n_left_out, report.n_tracks) == (N_USERS, 0, N_WARM)
    assert report.method == "sound"
    return engine


def played_by(world, user):
    return set(pl.read_parquet(world / "plays_train.parquet").filter(user=user)["track"])


@pytest.mark.parametrize("user", ["u0", "u1"])
def test_a_user_of_low_tones_gets_low_tones(learned, world, user):
    answer = learned.recommender.tracks_for(user=user, k=4)
    assert [is_low(place.track) for place in answer] == [user == "u0"] * 4
    assert [place.rank for place in answer] == [1, 2, 3, 4]
    assert all(is_low(liked) == (user == "u0") for place in answer for liked in place.reasons)
    assert {place.method for place in answer} == {"sound"}
    assert [place.score for place in answer] == sorted((place.score for place in answer), reverse=True)
    assert played_by(world, user).isdisjoint(stems(answer))


def test_what_was_heard_is_left_out_with_its_copies(learned, world):
    heard, not_heard = (
        next(user for user in ("u0", "u2", "u4", "u6", "u8") if ("t2" in played_by(world, user)) == has_heard)
        for has_heard in (True, False)
    )
    assert not {"t2", "t2 again"} & set(stems(learned.recommender.tracks_for(user=heard, k=100)))
    assert {"t2", "t2 again"} & set(stems(learned.recommender.tracks_for(user=not_heard, k=100)))
    new = learned.recommender.tracks_for(plays=[Play(track=learned_path(learned, "t0"))], k=100)
    assert len({"t2", "t2 again"} & set(stems(new))) == 1  # copies share a place


def learned_path(engine, stem):
    return next(str(track.path) for track in engine.tracks() if track.path.stem == stem)


def test_only_new_tracks_are_those_that_nobody_played(learned):
    answer = stems(learned.recommender.tracks_for(user="u0", k=100, only_new=True))
    assert set(answer) <= {f"t{i}" for i in range(N_WARM, 28)} | {"t2 again"}
    assert len(answer) >= 8


def test_fresh_tracks_are_those_that_were_embedded_of_late(learned, world):
    old = learned_path(learned, "t20")
    with sqlite3.connect(world / "catalogue" / "catalogue.sqlite") as database:
        database.execute("UPDATE tracks SET embedded_at = '2001-01-01T00:00:00+00:00'")
        row = "UPDATE tracks SET embedded_at = strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now') WHERE path = ?"
        assert database.execute(row, (old.encode(),)).rowcount == 1
    assert stems(learned.recommender.tracks_for(user="u0", k=100, fresh_days=1)) == ["t20"]
    for days in (0, -1, float("nan"), float("inf"), 1e6, 1e18):
        with pytest.raises(ValueError, match="fresh_days must be above 0"):
            learned.recommender.tracks_for(user="u0", fresh_days=days)
    with pytest.raises(ValueError, match="embedded_from must be ISO 8601, got 'yesterday'"):
        TrackFilter(embedded_from="yesterday")


def test_filters_and_caps_bound_the_answer(learned, world):
    with sqlite3.connect(world / "catalogue" / "catalogue.sqlite") as database:
        database.execute("UPDATE tracks SET artist = 'One', title = track_id, year = 1999 WHERE rowid % 3 > 0")
    answer = learned.recommender.tracks_for(user="u1", k=100, max_per_artist=2)
    assert sum(place.track.tags.artist == "One" for place in answer) == 2
    answer = learned.recommender.tracks_for(user="u1", k=100, where=TrackFilter(year_from=1990))
    assert answer and all(place.track.tags.year == 1999 for place in answer)


def test_a_handful_of_liked_files_is_a_user_too(engine, tones, tmp_path):
    elsewhere = tmp_path / "elsewhere.wav"
    elsewhere.write_bytes((tones / "t4.wav").read_bytes())
    answer = engine.recommender.tracks_for(plays=[Play(track=str(elsewhere)), Play(track=str(tones / "t6.wav"))], k=5)
    assert all(is_low(place.track) for place in answer)
    assert "t4" not in stems(answer) and "t6" not in stems(answer)
    assert {liked.path.stem for place in answer for liked in place.reasons} == {"elsewhere", "t6"}


def test_disliked_sound_is_pushed_away(engine, tones):
    liked = [Play(track=str(tones / "t4.wav")), Play(track=str(tones / "t5.wav"))]
    both = engine.recommender.tracks_for(plays=liked, k=100)
    low_only = engine.recommender.tracks_for(plays=[*liked, Play(track=str(tones / "t7.wav"), action="dislike")], k=100)

    def mean_rank_of_high(answer):
        return np.mean([place.rank for place in answer if not is_low(place.track)])

    assert mean_rank_of_high(low_only) > mean_rank_of_high(both)


def test_a_vector_is_a_user_without_reasons(engine, tones):
    vector = engine.vector(tones / "t4.wav")
    answer = engine.recommender.tracks_for(vector=vector, k=3)
    assert stems(answer)[0] == "t4"
    assert [(place.reasons, place.method) for place in answer] == [((), None)] * 3
    with pytest.raises(ValueError, match="vector must be of unit length"):
        engine.recommender.tracks_for(vector=2 * vector)
    with pytest.raises(ValueError, match="vector must have shape"):
        engine.recommender.tracks_for(vector=vector[:3])


@pytest.mark.parametrize("stem", ["t20", "t21"])
def test_a_new_track_finds_the_users_of_its_sound(learned, tones, stem):
    answer = learned.recommender.users_for(tones / f"{stem}.wav", k=10)
    assert [int(place.user[1:]) % 2 for place in answer] == [int(stem[1:]) % 2] * 10
    assert all(is_low(liked) == (stem == "t20") for place in answer for liked in place.reasons)
    assert [place.similarity for place in answer] == sorted((place.similarity for place in answer), reverse=True)
    chosen = learned.recommender.users_for(tones / f"{stem}.wav", k=10, allowed_users=["u3", "u4"])
    assert {place.user for place in chosen} == {"u3", "u4"}


def test_who_has_heard_a_track_is_not_its_audience(learned, world, tones):
    everyone = {f"u{i}" for i in range(N_USERS)}
    deaf = {user for user in everyone if "t2" not in played_by(world, user)}
    for track in ("t2.wav", "t2 again.wav"):
        assert {place.user for place in learned.recommender.users_for(tones / track, k=100)} == deaf


def test_all_users_at_once_get_what_each_gets_alone(learned, tmp_path):
    done = []
    report = learned.recommender.recall_all(tmp_path / "all.parquet", k=7, max_per_artist=3, on_done=done.append)
    answers = pl.read_parquet(tmp_path / "all.parquet")
    assert (report.n_users, report.n_rows, report.method) == (N_USERS, len(answers), "sound")
    assert done == [N_USERS]
    for user in ("u0", "u1", "u7"):
        alone = learned.recommender.tracks_for(user=user, k=7, max_per_artist=3)
        assert answers.filter(user=user)["track"].to_list() == [place.track.track_id for place in alone]
        scores = answers.filter(user=user)["score"].to_numpy()
        np.testing.assert_allclose(scores, [place.score for place in alone], atol=1e-5)


def test_blocks_of_a_long_log_change_nothing(learned, world, monkeypatch):
    before = {user: learned.recommender.tracks_for(user=user, k=3) for user in ("u0", "u9")}
    monkeypatch.setattr(learn_users, "PLAYS_A_BLOCK", 100)
    report = learned.recommender.learn_users(world / "plays_train.parquet")
    assert report.n_users == N_USERS
    assert {user: learned.recommender.tracks_for(user=user, k=3) for user in ("u0", "u9")} == before


def test_plays_of_nobody_and_of_unknown_tracks_are_passed_over(engine, world, tmp_path):
    log = pl.read_parquet(world / "plays_train.parquet")
    nobody = log.head(3).with_columns(user=pl.lit(None, pl.String))
    unknown = log.head(2).with_columns(track=pl.lit("elsewhere"), user=pl.lit("stranger"))
    pl.concat([log, nobody, unknown]).write_parquet(tmp_path / "log.parquet")
    report = engine.recommender.learn_users(tmp_path / "log.parquet")
    assert (report.n_users, report.n_without, report.n_left_out) == (N_USERS, 1, 5)
    assert report.left_out["unknown_track"] == 2


def test_a_log_and_the_same_plays_told_one_by_one_agree(learned, world):
    log = pl.read_parquet(world / "plays_train.parquet")
    last_day = log["day"].max()
    plays = [
        Play(
            track=learned_path(learned, row["track"]),
            action=row["action"],
            completion=row["completion"],
            days_ago=last_day - row["day"],
        )
        for row in log.filter(user="u5").to_dicts()
    ]
    of_log, told = learned.recommender.tracks_for(user="u5", k=5), learned.recommender.tracks_for(plays=plays, k=5)
    assert stems(of_log) == stems(told)
    np.testing.assert_allclose([p.score for p in of_log], [p.score for p in told], atol=1e-5)


def test_a_log_may_name_tracks_by_id_by_path_or_by_a_table(engine, world, tones, tmp_path):
    log = pl.read_parquet(world / "plays_train.parquet")
    ids = {track.path.stem: track.track_id for track in engine.tracks()}
    by_id = log.with_columns(pl.col("track").replace_strict(ids))
    by_path = log.with_columns(track=str(tones) + "/" + pl.col("track") + ".wav")
    by_table = log.with_columns(track="track " + pl.col("track"))
    table = pl.read_parquet(world / "tracks.parquet").with_columns(track="track " + pl.col("track"))
    table.write_parquet(tmp_path / "names.parquet")
    answers = []
    for named, more in ((by_id, {}), (by_path, {}), (by_table, {"tracks": tmp_path / "names.parquet", "audio": tones})):
        named.write_parquet(tmp_path / "log.parquet")
        assert engine.recommender.learn_users(tmp_path / "log.parquet", **more).n_left_out == 0
        answers.append(engine.recommender.tracks_for(user="u2", k=5))
    assert answers[0] == answers[1] == answers[2]
    with pytest.raises(ValueError, match="plays of tracks of the catalogue, got none"):
        engine.recommender.learn_users(tmp_path / "log.parquet")


def test_the_user_tower_speaks_where_it_knows_the_tracks(engine, world):
    tower = UserTower(UserRecipe(n_tracks=N_WARM))
    tower.start_from(np.random.default_rng(0).normal(size=(N_WARM, 40)), ridge=1.0)
    save_user_tower(engine.directory / "models" / shipped_model_id(), tower, tuple(f"t{i}" for i in range(N_WARM)))
    report = engine.recommender.learn_users(world / "plays_train.parquet")
    assert (report.method, report.n_of_tower) == ("user tower and sound", report.n_plays - report.n_left_out)
    log = pl.read_parquet(world / "plays_train.parquet").filter(user="u5")
    plays = [
        Play(track=learned_path(engine, row["track"]), action=row["action"], completion=row["completion"])
        for row in log.to_dicts()
    ]
    known, told = engine.recommender.tracks_for(user="u5", k=5), engine.recommender.tracks_for(plays=plays, k=5)
    assert {place.method for place in [*known, *told]} == {"user tower and sound"}
    assert known[0].score == pytest.approx(told[0].score, abs=0.02)  # the log says when of a day, the plays do not
    elsewhere = engine.recommender.tracks_for(plays=[Play(track=learned_path(engine, "t20"))], k=5)
    assert {place.method for place in elsewhere} == {"sound"}  # a track that the tower does not know


def test_plays_that_only_the_tower_knows_are_counted_and_are_not_enough(engine, world, tmp_path):
    tower = UserTower(UserRecipe(n_tracks=2))
    tower.start_from(np.random.default_rng(0).normal(size=(2, 40)), ridge=1.0)
    save_user_tower(engine.directory / "models" / shipped_model_id(), tower, ("far 1", "far 2"))
    far = pl.DataFrame({"user": ["u", "u", "v"], "track": ["far 1", "far 2", "far 2"]})
    near = pl.DataFrame({"user": ["v"], "track": ["t3"]})
    pl.concat([far, near]).write_parquet(tmp_path / "log.parquet")
    report = engine.recommender.learn_users(tmp_path / "log.parquet")
    assert (report.n_elsewhere, report.n_left_out, report.n_tracks, report.n_users) == (3, 0, 1, 2)
    far.write_parquet(tmp_path / "far.parquet")
    with pytest.raises(ValueError, match=r"far\.parquet must hold .* got none .*3 of tracks that only the model knows"):
        engine.recommender.learn_users(tmp_path / "far.parquet")


def test_what_is_not_there_is_named(engine, world):
    with pytest.raises(NotTrainedError, match="audio-engine learn-users PLAYS"):
        engine.recommender.tracks_for(user="u0")
    with pytest.raises(NotTrainedError, match="audio-engine learn-users PLAYS"):
        engine.recommender.users_for(engine.tracks()[0].track_id)
    with pytest.raises(UnknownTrackError):
        engine.recommender.tracks_for(plays=[Play(track="nowhere.wav")])
    engine.recommender.learn_users(world / "plays_train.parquet")
    with pytest.raises(UnknownUserError, match="got 'nobody'"):
        engine.recommender.tracks_for(user="nobody")
    with pytest.raises(UnknownTrackError):
        engine.recommender.users_for("nowhere.wav")


def test_users_of_another_model_are_refused(learned):
    report = learned.recommender.directory / "users.json"
    report.write_text(report.read_text().replace(shipped_model_id(), "0" * 12))
    with pytest.raises(RecipeMismatchError, match="learns them again"):
        learned.recommender.tracks_for(user="u0")


@pytest.mark.parametrize("file", ["users.json", "tracks.parquet"])
def test_damaged_users_say_how_to_mend_them(learned, file):
    (learned.recommender.directory / file).write_text("{")
    with pytest.raises(NotTrainedError, match="audio-engine learn-users PLAYS learns them again"):
        learned.recommender.tracks_for(user="u0")


def test_misuse_is_refused_at_the_door(engine, tones):
    play = Play(track=str(tones / "t0.wav"))
    with pytest.raises(ValueError, match="exactly one of plays, user and vector"):
        engine.recommender.tracks_for()
    with pytest.raises(ValueError, match="exactly one of plays, user and vector"):
        engine.recommender.tracks_for(user="u0", plays=[play])
    with pytest.raises(ValueError, match="at least one track that was liked"):
        engine.recommender.tracks_for(plays=[Play(track=play.track, action="skip")])
    for number in ("k", "max_per_artist"):
        with pytest.raises(ValueError, match=f"{number} must be at least 1, got 0"):
            engine.recommender.tracks_for(plays=[play], **{number: 0})
    with pytest.raises(ValueError, match="completion must be from 0 to 1"):
        Play(track="a", completion=80)
    with pytest.raises(ValueError, match="action must be one of"):
        Play(track="a", action="love")
    with pytest.raises(ValueError, match="days_ago must be at least 0"):
        Play(track="a", days_ago=-1)
