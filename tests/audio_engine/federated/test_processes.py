"""Two real processes: training equals joint training, new users are served, a killed party is noticed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from audio_engine.errors import PartnerError, RecipeMismatchError
from audio_engine.federated import ours
from audio_engine.federated.model_folder import load_ours, load_partner
from audio_engine.federated.tables import read_demographics
from audio_engine.federated.users import read_known_users, read_track_vectors
from audio_engine.recall.dataframes import recall_tracks
from metric_learning.federated.draws import PlayDraws
from metric_learning.federated.learner import make_model
from metric_learning.federated.partner import make_partner_tower
from metric_learning.federated.recipe import FederatedTraining
from metric_learning.play_log import ACTIONS
from tests.metric_learning.federated.small_world import make_world, train_jointly

STEPS = 12
TRAINING = FederatedTraining(n_steps=STEPS, batch_size=32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small world as the tables of two parties."""
    folder, world = tmp_path_factory.mktemp("parties"), make_world()
    users = [f"u{row:03}" for row in range(60)]
    tracks = [f"t{row:02}" for row in range(12)]
    plays = {
        "user": [users[row] for row in world.plays.user],
        "track": [tracks[row] for row in world.plays.track],
        "day": world.plays.day,
        "completion": world.plays.completion,
        "action": [ACTIONS[code] for code in world.plays.action],
    }
    pl.DataFrame(plays).write_parquet(folder / "plays.parquet")
    ages = pl.DataFrame({"user": users, "age": world.categories[:, 0], "joined_day": np.arange(60) % 3})
    ages.write_parquet(folder / "users.parquet")
    pl.DataFrame({"track": tracks, "vector": world.vectors.numpy()}).write_parquet(folder / "vectors.parquet")
    known = [user for user, row in zip(users, world.row_at_partner, strict=True) if row >= 0]
    values = {f"f{column}": world.features[:, column].numpy() for column in range(5)}
    strangers = pl.DataFrame({"user": ["x1", "x2"], **{name: np.zeros(2, np.float32) for name in values}})
    partner = pl.concat([pl.DataFrame({"user": known, **values}), strangers]).sample(fraction=1, shuffle=True, seed=0)
    partner.write_parquet(folder / "partner.parquet")
    (folder / "secret").write_text("a secret that both parties know\n")
    return folder


def speak(files: Path, *, patience_s: float = 300.0) -> ours.Conversation:
    """Speak to a partner by hashed ids, which need no extra."""
    return ours.Conversation(alignment="hashed", secret=(files / "secret").read_bytes().strip(), patience_s=patience_s)


def start_partner(files: Path, out: Path, address: str) -> subprocess.Popen[str]:
    """Start the partner's process."""
    typed = ["federated", "join", str(files / "partner.parquet"), "--model", str(out), "--address", address]
    return subprocess.Popen(
        [sys.executable, "-m", "audio_engine.cli.main", *typed, "--secret", str(files / "secret"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@contextmanager
def partner_process(files: Path, out: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Hold the partner's process, which `on_listening` starts, and end it in any case."""
    started: list[subprocess.Popen[str]] = []
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def train_two(files: Path, folder: Path, **options: object) -> tuple[ours.TrainingReport, dict[str, object]]:
    """Train in this process and the partner's; returns both reports."""
    with partner_process(files, folder) as started:
        report = ours.train(
            plays=files / "plays.parquet",
            vectors=files / "vectors.parquet",
            users=files / "users.parquet",
            out=folder / "ours",
            training=TRAINING,
            conversation=speak(files),
            on_listening=lambda address: started.append(start_partner(files, folder / "theirs", address)),
            **options,  # type: ignore[arg-type]
        )
        stdout, stderr = started[0].communicate(timeout=300)
        assert started[0].returncode == 0, stderr
    return report, json.loads(stdout)


@pytest.fixture(scope="module")
def trained(
    files: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ours.TrainingReport, dict[str, object]]:
    folder = tmp_path_factory.mktemp("trained")
    return folder, *train_two(files, folder)


def test_training_in_two_processes_equals_joint_training(files: Path, trained: tuple[Path, object, object]) -> None:
    folder, *_ = trained
    half, partner = load_ours(folder / "ours"), load_partner(folder / "theirs")
    tracks = read_track_vectors(files / "vectors.parquet")
    demographics = read_demographics(files / "users.parquet")
    known = read_known_users(files / "plays.parquet", tracks=tracks, demographics=demographics, only_with_plays=True)
    theirs = pl.read_parquet(files / "partner.parquet").filter(pl.col("user").is_in(known.users)).sort("user")
    row_of = {user: row for row, user in enumerate(theirs["user"])}
    features = (theirs.drop("user").to_numpy() - partner.mean) / partner.deviation
    joint, tower = make_model(half.model.recipe, seed=0), make_partner_tower(partner.tower.recipe, seed=0)
    train_jointly(
        joint,
        tower,
        PlayDraws(known.plays, len(known.users), categories=known.categories, recipe=half.model.recipe),
        vectors=tracks.vectors,
        features=torch.from_numpy(features.astype(np.float32)),
        row_at_partner=np.array([row_of.get(user, -1) for user in known.users]),
        training=TRAINING,
    )
    for split, together in ((half.model, joint), (partner.tower, tower)):
        for name, weights in together.state_dict().items():
            torch.testing.assert_close(split.state_dict()[name], weights, atol=1e-5, rtol=0, msg=name)


def test_only_the_cut_crosses_and_both_parties_count_the_same(trained: tuple[Path, ours.TrainingReport, dict]) -> None:
    _, report, theirs = trained
    assert (report.n_users, report.n_common, report.n_tracks) == (60, 40, 12)
    assert (theirs["n_users"], theirs["n_common"]) == (42, 40)
    turned = {name.replace("received", "SENT").replace("sent", "received").replace("SENT", "sent"): n
              for name, n in theirs["n_bytes"].items()}  # type: ignore[attr-defined]  # fmt: skip
    assert report.n_bytes == turned
    kinds = {name.partition(" ")[2] for name in report.n_bytes}
    assert kinds == {"hello", "settings", "alignment", "rows", "activations", "gradients", "stop", "done"}
    n_rows = report.n_bytes["received activations"] / (4 * 16)  # float32, 16 numbers a user
    assert n_rows == pytest.approx(40 * STEPS / 2, rel=0.25)  # two steps a pass, beside the messages' heads


def test_new_users_are_served_as_recall_takes_them(
    files: Path, trained: tuple[Path, object, object], tmp_path: Path
) -> None:
    folder, out = trained[0], tmp_path / "new.parquet"
    pl.DataFrame({"user": ["u001", "u002", "n1", "n2"], "age": [0, 1, 2, 99]}).write_parquet(
        tmp_path / "new_users.parquet"
    )
    first = pl.DataFrame({"user": ["n1", "n1"], "track": ["t03", "t05"], "action": ["like", "dislike"]})
    first.write_parquet(tmp_path / "first.parquet")
    with partner_process(files, folder) as started:
        report = ours.serve(
            folder / "ours",
            vectors=files / "vectors.parquet",
            plays=tmp_path / "first.parquet",
            users=tmp_path / "new_users.parquet",
            out=out,
            conversation=speak(files),
            on_listening=lambda address: started.append(start_partner(files, folder / "theirs", address)),
        )
        assert started[0].wait(300) == 0
    assert (report.n_users, report.n_with_plays, report.n_common) == (4, 1, 2)
    users = pl.read_parquet(out)
    assert users["partner_knows"].to_list() == [True, True, False, False]
    np.testing.assert_allclose(np.linalg.norm(users["vector"].to_numpy(), axis=1), 1, atol=1e-5)
    assert sorted(users["track"][2]) == ["t03", "t05"]
    answers = recall_tracks(users, pl.read_parquet(files / "vectors.parquet"), k=10)
    assert not answers.filter(pl.col("user") == "n1")["track"].is_in(["t03", "t05"]).any()
    best = answers.filter((pl.col("user") == "u001") & (pl.col("rank") == 1)).row(0, named=True)
    vectors = pl.read_parquet(files / "vectors.parquet")
    scores = vectors["vector"].to_numpy() @ users["vector"].to_numpy()[0]
    assert best["track"] == vectors["track"][int(scores.argmax())]  # a plain inner product


def test_without_a_partner_users_are_served_as_unknown_to_it(
    files: Path, trained: tuple[Path, object, object], tmp_path: Path
) -> None:
    report = ours.serve(
        trained[0] / "ours",
        vectors=files / "vectors.parquet",
        plays=files / "plays.parquet",
        users=None,
        out=tmp_path / "alone.parquet",
        conversation=None,
        ranked=tmp_path / "ranked.parquet",
        k=4,
    )
    assert (report.n_users, report.n_common, report.n_bytes) == (60, 0, {})
    ranked, plays = pl.read_parquet(tmp_path / "ranked.parquet"), pl.read_parquet(files / "plays.parquet")
    assert ranked.join(plays, on=["user", "track"], how="semi").is_empty()
    n_unheard = 12 - plays.group_by("user").agg(pl.col("track").n_unique()).sort("user")["track"]
    assert ranked.group_by("user").len().sort("user")["len"].to_list() == n_unheard.clip(upper_bound=4).to_list()
    assert ranked.group_by("user").agg(pl.col("score").diff().max())["score"].max() <= 0  # the best first
    assert not pl.read_parquet(tmp_path / "alone.parquet")["partner_knows"].any()


@pytest.mark.slow
def test_a_partner_of_another_training_is_refused(
    files: Path, trained: tuple[Path, object, object], tmp_path: Path
) -> None:
    facts = json.loads((trained[0] / "theirs" / "federated.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "federated.json").write_text(json.dumps({**facts, "training_id": "another"}))
    (other / "federated.safetensors").write_bytes((trained[0] / "theirs" / "federated.safetensors").read_bytes())
    with partner_process(files, other) as started:
        with pytest.raises(PartnerError, match="the partner must stay connected to the end"):
            ours.serve(
                trained[0] / "ours",
                vectors=files / "vectors.parquet",
                plays=files / "plays.parquet",
                users=None,
                out=tmp_path / "none.parquet",
                conversation=speak(files),
                on_listening=lambda address: started.append(start_partner(files, other, address)),
            )
        _, stderr = started[0].communicate(timeout=300)
    assert started[0].returncode == 2
    assert "must be of training" in stderr
    assert "Traceback" not in stderr


def test_a_killed_partner_is_noticed_and_nothing_is_written(files: Path, tmp_path: Path) -> None:
    with partner_process(files, tmp_path) as started:

        def kill_later(line: str) -> None:
            if line.startswith("step"):
                started[0].send_signal(signal.SIGKILL)

        with pytest.raises(PartnerError, match=r"lost connection after \d+ messages \(was it stopped\?\)"):
            ours.train(
                plays=files / "plays.parquet",
                vectors=files / "vectors.parquet",
                users=None,
                out=tmp_path / "ours",
                training=FederatedTraining(n_steps=100_000, batch_size=32),
                conversation=speak(files),
                on_listening=lambda address: started.append(start_partner(files, tmp_path / "theirs", address)),
                on_progress=kill_later,
            )
    assert not (tmp_path / "ours").exists()


@pytest.mark.slow
def test_the_partner_notices_that_we_were_killed(files: Path, tmp_path: Path) -> None:
    typed = ["federated", "train", str(files / "plays.parquet"), "--vectors", str(files / "vectors.parquet")]
    typed += ["--out", str(tmp_path / "ours"), "--alignment", "hashed", "--secret", str(files / "secret")]
    us = subprocess.Popen(
        [sys.executable, "-m", "audio_engine.cli.main", *typed, "--listen", "127.0.0.1:0", "--steps", "100000"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    with us, partner_process(files, tmp_path) as started:
        assert us.stderr is not None
        address = next(line for line in us.stderr if "listening" in line).split()[-1]
        partner = start_partner(files, tmp_path / "theirs", address)
        started.append(partner)
        next(line for line in us.stderr if line.startswith("step"))
        us.kill()
        stdout, stderr = partner.communicate(timeout=300)
    assert partner.returncode == 1
    assert stdout == ""
    assert "must stay connected to the end" in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "theirs").exists()


def test_a_partner_who_never_comes_is_waited_for_only_so_long(files: Path, tmp_path: Path) -> None:
    with pytest.raises(PartnerError, match=r"the partner must answer within 0\.2 s, got nothing"):
        ours.train(
            plays=files / "plays.parquet",
            vectors=files / "vectors.parquet",
            users=None,
            out=tmp_path / "ours",
            training=TRAINING,
            conversation=speak(files, patience_s=0.2),
        )


def test_vectors_of_another_encoder_are_refused(
    files: Path, trained: tuple[Path, object, object], tmp_path: Path
) -> None:
    folder = tmp_path / "ours"
    folder.mkdir()
    facts = json.loads((trained[0] / "ours" / "federated.json").read_text())
    (folder / "federated.json").write_text(json.dumps({**facts, "encoder_id": "aaaaaaaaaaaa"}))
    (folder / "federated.safetensors").write_bytes((trained[0] / "ours" / "federated.safetensors").read_bytes())
    vectors = pl.read_parquet(files / "vectors.parquet").with_columns(model_id=pl.lit("bbbbbbbbbbbb"))
    vectors.write_parquet(tmp_path / "vectors.parquet")
    with pytest.raises(RecipeMismatchError, match="must be of model aaaaaaaaaaaa, got bbbbbbbbbbbb"):
        ours.serve(
            folder,
            vectors=tmp_path / "vectors.parquet",
            plays=files / "plays.parquet",
            users=None,
            out=tmp_path / "none.parquet",
            conversation=None,
        )
