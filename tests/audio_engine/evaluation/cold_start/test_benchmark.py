import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from audio_engine.cli.evaluate.cold_start import evaluate_cold_start as command
from audio_engine.evaluation.cold_start.benchmark import fitted_users, score_methods
from audio_engine.evaluation.cold_start.data import ColdStartData, build_mels, read_world
from metric_learning.play_log import LIKE, PlayLog
from metric_learning.user import UserTower
from metric_learning.user_checkpoint import save_user_tower
from metric_learning.user_recipe import UserColumn, UserRecipe
from tests.listening_world import N_COLD, N_USERS, N_WARM


@pytest.fixture(scope="module")
def data(world: Path) -> ColdStartData:
    return read_world(world, world)


def test_a_world_is_read_whole(data: ColdStartData) -> None:
    assert (len(data.warm), len(data.cold), data.n_users) == (N_WARM, N_COLD, N_USERS)
    assert data.seen.tolist() == [True] + [False] * (N_COLD - 1)
    assert data.users["age"].unique().sort().to_list() == ["old", "young"]
    assert (data.feedback.toarray() != 0).tolist() == data.heard.toarray().tolist()
    assert all(counts.left_out == 0 for counts in data.counts)


def test_cold_tracks_can_be_given_and_must_be_given_whole(world: Path) -> None:
    other = read_world(
        world,
        world,
        cold_tracks=world / "tracks.parquet",
        cold_plays=world / "plays_train.parquet",
        cold_audio=world,
    )
    assert len(other.cold) == N_WARM + N_COLD
    with pytest.raises(ValueError, match="must be given together"):
        read_world(world, world, cold_tracks=world / "tracks.parquet")


def test_every_baseline_is_scored_and_sound_tells_where_the_artist_cannot(data: ColdStartData, tmp_path: Path) -> None:
    said: list[str] = []
    build_mels(data, [], tmp_path, baselines=True, on_progress=said.append)
    assert said == []
    rows = list(score_methods(data, models=[], store=tmp_path, seeds=[0]))
    auc = {row.method: row for row in rows if row.metric == "auc_liked_rejected" and row.about["artists"] == "unseen"}
    assert len(auc) == 6
    assert auc["artist mean"].value == 0.5
    assert auc["kernel ridge, rich statistics"].value > 0.95
    assert auc["MFCC nearest neighbours"].value > 0.95
    assert all(row.low <= row.value <= row.high for row in auc.values())
    bound = [row.value for row in rows if row.method.startswith("collaborative") and row.metric == "auc_liked_rejected"]
    assert bound[0] > 0.95


def test_a_user_tower_of_another_world_is_not_asked(world: Path, data: ColdStartData, tmp_path: Path) -> None:
    model = shutil.copytree(world / "start", tmp_path / "model")
    build_mels(data, [model], tmp_path / "mels", baselines=False)
    recipe = UserRecipe(n_tracks=2, columns=(UserColumn(name="planet", values=("earth", "moon")),))
    save_user_tower(model, UserTower(recipe), ("far 1", "far 2"))
    rows = [*score_methods(data, models=[model], store=tmp_path / "mels", baselines=False)]
    assert {row.method for row in rows} == {"audio encoder, users by ridge"}


def test_users_fitted_to_track_vectors_find_tracks_like_those_that_they_liked() -> None:
    tracks = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], np.float32)
    plays = PlayLog(
        user=np.array([0, 0, 1, 1]),
        track=np.array([0, 1, 0, 1]),
        day=np.zeros(4, np.float32),
        completion=np.array([np.nan, 0.1, 0.1, np.nan], np.float32),
        action=np.array([LIKE, 0, 0, LIKE], np.int8),
    )
    users = fitted_users(plays, tracks, n_users=2)
    assert users[0] @ tracks[0] > users[0] @ tracks[1]
    assert users[1] @ tracks[1] > users[1] @ tracks[0]


def test_the_command_prints_one_object_of_rows(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metric_learning.model_files.DEFAULT_MODEL_DIR", tmp_path / "none")
    app = typer.Typer()
    app.command()(command)
    options = ["--world", str(world), "--audio", str(world), "--store", str(tmp_path), "--no-models", "--no-baselines"]
    result = CliRunner().invoke(app, [*options, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"rows": []}
