import json
from dataclasses import asdict
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

import audio_engine
from audio_engine.cli.evaluate.cold_start import evaluate_cold_start, evaluate_sensitivity, put_cold_start
from audio_engine.cli.train import train
from audio_engine.training import forecast
from audio_engine.training.data import hold_out_artists, joined_artists, split_tracks
from audio_engine.training.forecast import seconds_of_audio_tower, seconds_of_user_tower
from audio_engine.training.training import N_RANDOM, TrainingSettings
from metric_learning.checkpoint import load_checkpoint
from metric_learning.train_user import UserTraining
from metric_learning.user_checkpoint import load_user_tower
from metric_learning.user_recipe import UserRecipe
from tests.listening_world import N_COLD, N_USERS, N_WARM, RECIPE

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytorch_lightning.utilities.warnings.PossibleUserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def run(*words: object) -> dict[str, object]:
    app = typer.Typer()
    app.command("train")(train)
    app.command("cold-start")(evaluate_cold_start)
    app.command("sensitivity")(evaluate_sensitivity)
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout.splitlines()[-1])


def test_a_model_trained_on_listening_finds_the_users_of_new_tracks(world: Path, tmp_path: Path) -> None:
    files = ("--plays", world / "plays_train.parquet", "--users", world / "users.parquet", "--store", tmp_path / "mels")
    tables = ("--tracks", world / "tracks.parquet", "--audio", world)
    out = tmp_path / "model"
    start = ("--start-from", world / "start", "--out", out, "--max-epochs", 1, "--json")
    trained = run("train", *files, *tables, *start, "--cold-plays", world / "plays_valid_cold.parquet")
    assert trained["cold_auc"] >= trained["fitted_auc"] > 0.9
    encoder, recipe = load_checkpoint(out)
    assert (encoder.config.n_random, recipe) == (N_RANDOM, RECIPE)
    assert load_user_tower(out)[1] == tuple(f"t{i}" for i in range(N_WARM))

    asked = ("--world", world, "--audio", world, "--store", tmp_path / "mels", "--model", out, "--json")
    rows = run("cold-start", *asked, "--no-baselines")["rows"]
    auc = {row["artists"]: row["value"] for row in rows if row["metric"] == "auc_liked_rejected"}
    assert auc["all"] == pytest.approx(trained["cold_auc"], abs=0.01)
    found = run("sensitivity", *asked, "--histogram", tmp_path / "r.png")
    assert found["mean"] > 0.3
    assert (tmp_path / "r.png").exists()


def test_python_and_the_command_line_train_and_evaluate_alike(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = audio_engine.TrainingFiles(
        plays=world / "plays_train.parquet", users=world / "users.parquet", tracks=world / "tracks.parquet", audio=world
    )
    said: list[str] = []
    settings = audio_engine.TrainingSettings.of(max_epochs=0, seed=3)
    out, store, start = tmp_path / "model", tmp_path / "mels", world / "start"
    trained = audio_engine.train(files, out, start_from=start, settings=settings, store=store, on_progress=said.append)
    counts = f"{len(load_user_tower(out)[1])} warm tracks, 0 cold ones, 30 users"
    assert sum(words.endswith(counts) for words in said) == 1
    assert said[-1].startswith("user tower: pass ")
    assert said[-1].endswith(" left")
    options = (
        "--plays",
        files.plays,
        "--users",
        files.users,
        "--tracks",
        files.tracks,
        "--audio",
        world,
        "--store",
        store,
    )
    typed = ("--start-from", start, "--out", tmp_path / "typed", "--max-epochs", 0, "--seed", 3, "--json")
    assert run("train", *options, *typed) == asdict(trained)

    asked = ("--world", world, "--audio", world, "--store", store, "--model", out, "--json")
    rows = audio_engine.evaluate_cold_start(world, world, models=[out], baselines=False, store=store)
    printed = run("cold-start", *asked, "--no-baselines")["rows"]
    assert str(printed) == str([row.row() for row in rows])  # as text, where NaN equals itself
    put_cold_start(rows)  # eight cold tracks have no nDCG@10: a cell is empty
    assert "audio tower and user tower" in capsys.readouterr().out
    assert run("sensitivity", *asked) == asdict(audio_engine.evaluate_sensitivity(world, world, model=out, store=store))


def test_a_dry_run_says_what_a_training_would_need_and_writes_nothing(world: Path, tmp_path: Path) -> None:
    out, store = tmp_path / "model", tmp_path / "mels"
    files = ("--plays", world / "plays_train.parquet", "--tracks", world / "tracks.parquet", "--audio", world)
    options = ("--start-from", world / "start", "--store", store, "--out", out, "--json")
    needs = run("train", *files, *options, "--dry-run")
    assert list(tmp_path.iterdir()) == []
    n_plays = len(pl.read_parquet(world / "plays_train.parquet"))
    counts = {"n_tracks": N_WARM + N_COLD, "n_users": N_USERS, "n_plays": n_plays, "n_log_mels": N_WARM + N_COLD}
    assert {name: needs[name] for name in counts} == counts
    assert needs["total_hours"] == pytest.approx(sum(needs["hours"].values()))
    assert needs["disk_gb"][str(store)] * 1e9 == pytest.approx(
        2 * (N_WARM + N_COLD) * RECIPE.n_segments * RECIPE.n_mels * RECIPE.n_frames, abs=1e6
    )
    assert needs["memory_gb"] > 0.5
    run("train", *files, *options, "--max-epochs", 0)
    assert run("train", *files, *options, "--dry-run")["n_log_mels"] == 0


def test_a_dry_run_grows_with_the_log_and_the_epochs(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "time", SimpleNamespace(perf_counter=partial(next, count())))  # a second a look
    recipe = UserRecipe(n_tracks=50)
    few, many = (
        seconds_of_user_tower(recipe, UserTraining(max_epochs=n), n_users=1000, n_plays=10_000) for n in (1, 20)
    )
    assert 0 < few < many
    encoder, mels = load_checkpoint(world / "start")
    once, often, deeper = (
        seconds_of_audio_tower(
            encoder, mels, TrainingSettings.of(max_epochs=n_epochs, below_head=below_head), n_tracks=10
        )
        for n_epochs, below_head in ((0, False), (20, False), (20, True))
    )
    assert 0 < once < often < deeper


def test_a_training_without_tracks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="tracks and audio must both be given, or a catalogue, got nothing and nothing"
    ):
        audio_engine.train(audio_engine.TrainingFiles(plays=tmp_path / "plays.parquet"), tmp_path)


def test_a_training_that_cannot_end_well_is_refused_before_it_begins(world: Path, tmp_path: Path) -> None:
    plays = pl.read_parquet(world / "plays_train.parquet").with_columns(action=pl.lit("none"))
    plays.write_parquet(tmp_path / "silent.parquet")
    own = {"plays": world / "plays_train.parquet", "tracks": world / "tracks.parquet", "audio": world}
    pl.read_parquet(own["tracks"]).with_columns(split=pl.lit("test")).write_parquet(tmp_path / "test.parquet")
    (tmp_path / "file").touch()
    refused = {
        "action of silent.parquet must be 'like' in some plays, got none": {"plays": tmp_path / "silent.parquet"},
        "audio must be a folder": {"audio": tmp_path / "nowhere"},
        "tracks must hold some of split 'train', got none of": {"tracks": tmp_path / "test.parquet"},
        "no catalogue is there yet": {"catalogue": tmp_path / "nowhere"},
    }
    how = {"start_from": world / "start", "store": tmp_path / "mels", "loggers": ()}
    for message, other in refused.items():
        with pytest.raises((ValueError, OSError), match=message):
            audio_engine.train(audio_engine.TrainingFiles(**own | other), tmp_path / "model", **how)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(NotADirectoryError):
        audio_engine.train(audio_engine.TrainingFiles(**own), tmp_path / "file", **how)


def test_a_training_that_nobody_can_judge_keeps_the_fit_and_says_so(world: Path, tmp_path: Path) -> None:
    plays = pl.read_parquet(world / "plays_train.parquet").filter(pl.col("user") == pl.col("user").first())
    plays.with_columns(action=pl.lit("like")).write_parquet(tmp_path / "plays.parquet")
    files = audio_engine.TrainingFiles(plays=tmp_path / "plays.parquet", tracks=world / "tracks.parquet", audio=world)
    said: list[str] = []
    how = {"start_from": world / "start", "store": tmp_path / "mels", "loggers": (), "on_progress": said.append}
    trained = audio_engine.train(files, tmp_path / "model", **how)
    assert (trained.fitted_auc, trained.cold_auc) == (None, None)
    assert trained.user_loss > 0  # of the only user
    assert "no user liked one held-out track and rejected another: the closed-form fit is kept, AUC unknown" in said


def test_defaults_are_those_of_the_settings_themselves() -> None:
    assert TrainingSettings.of() == TrainingSettings()


def test_artists_are_held_out_where_no_cold_plays_are_given(world: Path, tmp_path: Path) -> None:
    options = ("--plays", world / "plays_train.parquet", "--store", tmp_path / "mels", "--json")
    tables = ("--tracks", world / "tracks.parquet", "--audio", world, "--start-from", world / "start")
    trained = run("train", *options, *tables, "--out", tmp_path / "model", "--max-epochs", 1)
    known = load_user_tower(tmp_path / "model")[1]
    assert 0 < N_WARM - len(known) <= 6
    assert trained["cold_auc"] >= trained["fitted_auc"] > 0.5
    fitted = run("train", *options, *tables, "--out", tmp_path / "fitted", "--max-epochs", 0)
    assert len(load_user_tower(tmp_path / "fitted")[1]) == N_WARM  # nothing has to be stopped
    assert (fitted["fitted_auc"], fitted["cold_auc"]) == (None, None)


def test_whole_artists_are_held_out() -> None:
    artists = [f"a{i // 3}" for i in range(60)]
    is_cold = hold_out_artists(artists, seed=0)
    assert {a for a, cold in zip(artists, is_cold, strict=True) if cold}.isdisjoint(
        a for a, cold in zip(artists, is_cold, strict=True) if not cold
    )
    assert is_cold.sum() == 9


def test_artists_of_one_track_are_held_out_together() -> None:
    artists = [name for i in range(40) for name in (f"a{i}", f"A{i}; b{i}", f"b{i}")]
    for seed in range(3):
        is_cold = hold_out_artists(joined_artists(artists), seed=seed)
        assert is_cold.sum() == 18
        assert (is_cold.reshape(40, 3).sum(1) % 3 == 0).all()


def test_an_artist_of_most_tracks_is_never_held_out() -> None:
    artists = ["most"] * 80 + [f"a{i}" for i in range(20)]
    assert all(not hold_out_artists(artists, seed=seed)[:80].any() for seed in range(20))
    assert not hold_out_artists(["one"] * 3, seed=0).any()


def test_a_table_without_split_is_all_warm(world: Path, tmp_path: Path) -> None:
    warm, cold = split_tracks(world / "tracks.parquet", world)
    assert (len(warm), len(cold)) == (N_WARM, N_COLD)


def test_an_unknown_loss_is_named() -> None:
    with pytest.raises(ValueError, match="loss must be one of softmax, hinge, pairwise, got 'triplet'"):
        TrainingSettings.of(loss="triplet")
