"""Recall from the command line."""

import shutil

import polars as pl
import pytest

from tests.command_line import Run


def test_users_are_learned_and_get_tracks_with_reasons(run: Run, world, tones):
    catalogue = ("-c", world / "catalogue")
    learned = run("learn-users", world / "plays_train.parquet", *catalogue)
    assert learned.status == 0
    assert "by the sound of liked tracks" in learned.out
    shown = run("recall", "u0", "-k", 3, *catalogue)
    assert shown.status == 0
    assert "because you liked" in shown.out
    assert "by the sound" in shown.err
    places = run("recall", "u0", "-k", 3, "--max-per-artist", 1, "--json", *catalogue).objects
    assert [place["rank"] for place in places] == [1, 2, 3]
    assert all(place["reasons"] and place["method"] == "sound" for place in places)
    assert run("learn-users", world / "plays_train.parquet", "--json", *catalogue).objects[0]["n_users"] == 30


def test_liked_and_disliked_files_describe_a_user(run: Run, world, tones, tmp_path):
    tracks = ("--liked", tones / "t4.wav", "--liked", tones / "t6.wav", "--disliked", tones / "t5.wav")
    answer = run("recall", *tracks, "-k", 2, "--m3u", tmp_path / "list.m3u", "--json", "-c", world / "catalogue")
    assert answer.status == 0
    assert len(answer.objects) == 2
    assert (tmp_path / "list.m3u").exists()


def test_all_users_are_written_to_a_file(run: Run, world, tmp_path):
    options = ("--plays", world / "plays_train.parquet", "-k", 5, "--only-new", "--json", "-c", world / "catalogue")
    ran = run("recall-all", "--out", tmp_path / "all.parquet", *options)
    assert ran.status == 0
    assert ran.objects == [{"n_users": 30, "n_rows": 150, "method": "sound"}]
    answers = pl.read_parquet(tmp_path / "all.parquet")
    assert answers.columns == ["user", "rank", "track", "score"]
    assert answers["user"].n_unique() == 30


def test_a_csv_file_is_csv(run: Run, world, tmp_path):
    options = ("--plays", world / "plays_train.parquet", "-k", 5, "-c", world / "catalogue")
    for name in ("all.csv", "all.parquet"):
        assert run("recall-all", "--out", tmp_path / name, *options).status == 0
    written, same = pl.read_csv(tmp_path / "all.csv"), pl.read_parquet(tmp_path / "all.parquet")
    assert written.columns == same.columns
    assert written.select("user", "rank", "track").rows() == same.select("user", "rank", "track").rows()


def test_a_track_has_an_audience(run: Run, world, tones):
    run("learn-users", world / "plays_train.parquet", "-c", world / "catalogue")
    assert "because they liked" in run("users-for", tones / "t20.wav", "-c", world / "catalogue").out
    places = run("users-for", tones / "t20.wav", "-k", 4, "--json", "-c", world / "catalogue").objects
    assert [int(str(place["user"])[1:]) % 2 for place in places] == [0] * 4
    (world / "some.csv").write_text("user\nu3\nu4\n")
    allowed_ids = ("--users", world / "some.csv", "--json", "-c", world / "catalogue")
    assert {place["user"] for place in run("users-for", tones / "t20.wav", *allowed_ids).objects} == {"u3", "u4"}


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["people", "programs"])
def test_an_empty_answer_is_no_error_and_says_why(run: Run, world, tones, tmp_path, form):
    catalogue = ("-c", world / "catalogue")
    run("learn-users", world / "plays_train.parquet", *catalogue)
    for options in ((), ("--interests", "auto"), ("--diversity", 0.5)):
        ran = run("recall", "u0", "--genre", "polka", *options, *form, *catalogue)
        unknown = "no track has the genre polka: no track here has a genre\n"
        assert ran == (0, "", f"no other track in the catalogue fits\n{unknown}")
        ran = run("recall-all", "--genre", "polka", *options, "--out", tmp_path / "none.csv", *catalogue)
        assert (ran.status, "0 tracks for 30 users" in ran.err, unknown in ran.err) == (0, True, True)
        assert (tmp_path / "none.csv").read_text() == "user,rank,track,score\n"
    ran = run("recall", "u0", "--genre", "polka", "--m3u", tmp_path / "none.m3u", *form, *catalogue)
    assert (ran.status, (tmp_path / "none.m3u").read_text()) == (0, "#EXTM3U\n")
    (world / "nobody.csv").write_text("user\nelsewhere\n")
    ran = run("users-for", tones / "t20.wav", "--users", world / "nobody.csv", *form, *catalogue)
    assert ran == (0, "", f"no user that was learned and is in {world / 'nobody.csv'} has not played it\n")
    table = pl.DataFrame({"track": ["one"], "vector": [[1.0, 0.0]]})
    table.write_parquet(world / "one.parquet")
    said = (0, "", f"no other track in {world / 'one.parquet'} fits\n")
    assert run("similar", "one", "--vectors", world / "one.parquet", *form) == said
    assert run("recall", "--liked", "one", "--vectors", world / "one.parquet", *form) == said


def test_a_genre_that_is_not_there_is_named_beside_those_that_are(run: Run, genre_world):
    track = next((genre_world / "music").rglob("*.flac"))
    ask = ("--liked", track, "-c", genre_world / "catalogue", "--json", "--genre")
    assert len(run("recall", *ask, "chiptune").objects) > 1
    says = "no track has the genre Chip\\ntunes: the genres here are Chiptune, Drums, Plucked\n"
    assert run("recall", *ask, "Chip\ntunes") == (0, "", f"no other track in the catalogue fits\n{says}")
    folder = ("--folder", "/nowhere")  # then it is not the genre that is wrong
    assert run("recall", *ask, "chiptune", *folder) == (0, "", "no other track in the catalogue fits\n")


def test_misuse_is_one_line_and_status_2(run: Run, world, tmp_path):
    catalogue = ("-c", world / "catalogue")
    untaught = run("recall", "u0", *catalogue)
    assert (untaught.status, untaught.err.count("\n")) == (2, 1)
    assert "audio-engine learn-users PLAYS" in untaught.err
    run("learn-users", world / "plays_train.parquet", *catalogue)
    assert run("recall", "nobody", *catalogue).status == 2
    assert run("recall", *catalogue).status == 2
    assert run("recall", "u0", "--liked", "a.wav", *catalogue).status == 2
    assert run("recall-all", "--out", tmp_path / "no folder" / "all.parquet", *catalogue).status == 2
    assert run("recall-all", "--out", tmp_path, *catalogue).status == 2
    assert run("learn-users", tmp_path / "none.parquet", *catalogue).status == 2


def test_a_path_is_no_pattern(run: Run, world, tones, tmp_path):
    catalogue = tmp_path / "Music [FLAC]" / "catalogue"
    shutil.copytree(world / "catalogue", catalogue)
    shutil.copy(world / "plays_train.parquet", world / "plays[1].parquet")
    pl.DataFrame({"user": ["other"], "track": ["none"]}).write_parquet(world / "plays1.parquet")
    learned = run("learn-users", world / "plays[1].parquet", "--json", "-c", catalogue)
    assert (learned.status, learned.objects[0]["n_users"]) == (0, 30)
    assert len(run("recall", "u0", "-k", 3, "--json", "-c", catalogue).objects) == 3
    out = tmp_path / "all[1].parquet"
    assert run("recall-all", "-k", 2, "--out", out, "-c", catalogue).status == 0
    assert len(pl.read_parquet(out, glob=False)) == 60
    assert run("users-for", tones / "t20.wav", "-k", 2, "-c", catalogue).status == 0
    assert run("learn-users", world / "plays_.parquet", "-c", catalogue).status == 2


def test_a_damaged_log_is_refused_in_one_line(run: Run, world):
    (world / "bad.csv").write_bytes(b"user,track\nu0,t2\nJos\xe9,t2,more\n")
    refused = run("learn-users", world / "bad.csv", "-c", world / "catalogue")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "bad.csv must be a table that can be read" in refused.err
