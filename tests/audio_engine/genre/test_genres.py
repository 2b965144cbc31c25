"""Genres in a real catalogue: trained on its tags, predicted by the command line, stored in its column."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import torch

from audio_engine import Engine, NotTrainedError, RecipeMismatchError
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.genre.model import GenreClassifier
from metric_learning.checkpoint import load_checkpoint, save_checkpoint
from metric_learning.model_files import DEFAULT_MODEL_DIR
from tests.command_line import Run
from tests.genre_world import GENRES, SAMPLE_RATE, noise, play, speech
from tests.old_catalogues import take_back


@pytest.fixture
def trained(genre_world: Path, tmp_path: Path) -> Path:
    return shutil.copytree(genre_world / "trained", tmp_path / "catalogue")


@pytest.fixture
def directory(trained: Path) -> Path:
    return trained


def wav(path: Path, sound: np.ndarray) -> Path:
    soundfile.write(path, sound, SAMPLE_RATE)
    return path


def test_every_track_of_the_catalogue_gets_its_genre(engine: Engine) -> None:
    tracks = engine.tracks()
    assert [track.genre_predicted for track in tracks] == [track.tags.genre for track in tracks]
    assert all(0.5 < (track.genre_probability or 0) < 1 for track in tracks)


@pytest.mark.parametrize("genre", GENRES)
def test_a_track_by_an_unseen_artist_is_of_its_genre(engine: Engine, tmp_path: Path, genre: str) -> None:
    answer = engine.genres.predict(wav(tmp_path / "song.wav", play(genre, 7, 7)))
    assert (answer.genre, answer.is_unknown) == (genre, False)
    assert answer.probabilities[0] == (genre, answer.probability)
    assert sum(share for _, share in answer.probabilities) == pytest.approx(1)
    assert len(engine.genres.predict(tmp_path / "song.wav", k=1).probabilities) == 1


@pytest.mark.parametrize("sound", [noise, speech])
def test_what_is_far_from_everything_is_unknown(
    engine: Engine, tmp_path: Path, sound: Callable[[], np.ndarray]
) -> None:
    answer = engine.genres.predict(wav(tmp_path / "sound.wav", sound()))
    assert (answer.genre, answer.probability, answer.probabilities) == ("unknown", None, ())
    assert answer.similarity < answer.min_similarity


def test_a_genre_that_it_was_not_told_of_is_unknown(own: Path, genre_world: Path, tmp_path: Path) -> None:
    rows = [f"{path.name},{path.name.split()[0]}" for path in (genre_world / "music").iterdir()]
    told = [row for row in rows if "Drums" not in row]
    (tmp_path / "labels.csv").write_text("\n".join(["file,genre", *told]))
    with Engine.open(own) as engine:
        report = engine.genres.train(tmp_path / "labels.csv", audio=genre_world / "music")
        assert (report.n_tracks, report.n_artists) == (12, 6)  # the artists are the catalogue's
        genres = Counter((track.tags.genre, track.genre_predicted) for track in engine.tracks())
    assert genres["Drums", "unknown"] == 6
    assert genres["Plucked", "Plucked"] == genres["Chiptune", "Chiptune"] == 6


def test_a_track_that_is_embedded_later_gets_its_genre_and_a_changed_one_another(
    engine: Engine, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    song = wav(music / "new.wav", play("Drums", 8, 8))
    list(engine.embed(music))
    assert engine.find(song).genre_predicted == "Drums"
    moved = song.rename(music / "moved.wav")
    list(engine.embed(music))
    assert engine.find(moved).genre_predicted == "Drums"
    wav(moved, play("Chiptune", 8, 8))
    list(engine.embed(music))
    assert engine.find(moved).genre_predicted == "Chiptune"
    moved.write_text("no sound any more")
    list(engine.embed(music))
    assert engine.catalogue.track_at(moved).genre_predicted == ""


def test_a_run_that_is_stopped_leaves_no_track_without_a_genre(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    for number in range(4):
        wav(tmp_path / "music" / f"{number}.wav", play("Plucked", 9, number))
    results = engine.embed(tmp_path / "music")
    next(results)
    results.close()
    assert engine.info().n_tracks > 18
    assert all(track.genre_predicted for track in engine.tracks())


def test_a_catalogue_without_a_classifier_says_so(own: Path, genre_world: Path) -> None:
    with Engine.open(own) as engine:
        for ask in (lambda: engine.genres.predict(engine.tracks()[0].track_id), engine.genres.apply):
            with pytest.raises(NotTrainedError, match="audio-engine genre train"):
                ask()
        assert engine.genres.fill() == 0
        assert not engine.genres.is_outdated


def test_a_damaged_classifier_does_not_stop_an_embed(trained: Path, tmp_path: Path) -> None:
    (trained / "genre.safetensors").write_bytes(b"damaged")
    song = wav(tmp_path / "new.wav", play("Drums", 8, 8))
    with Engine.open(trained) as engine:
        assert [result.status for result in engine.embed(song)] == ["embedded"]
        assert not engine.genres.is_outdated
        with pytest.raises(RecipeMismatchError, match="run genre train again"):
            engine.genres.predict(song)


def test_a_classifier_of_another_model_is_refused_and_nothing_is_lost(
    engine: Engine, genre_world: Path, tmp_path: Path
) -> None:
    encoder, recipe = load_checkpoint(DEFAULT_MODEL_DIR)
    with torch.no_grad():
        next(encoder.parameters()).mul_(1.5)
    save_checkpoint(tmp_path / "model", encoder, recipe)
    engine.remove(*[track.track_id for track in engine.tracks(genre="Drums")])  # two genres will do
    engine.use_model(tmp_path / "model")
    tracks = engine.tracks()
    assert engine.genres.predict(tracks[0].track_id).genre == tracks[0].genre_predicted  # the old model answers still
    list(engine.embed())
    with pytest.raises(RecipeMismatchError, match="run audio-engine genre train again"):
        engine.genres.predict(tracks[0].track_id)
    with pytest.raises(RecipeMismatchError):
        engine.genres.apply()
    assert engine.genres.is_outdated
    assert [track.genre_predicted for track in engine.tracks()] == [track.genre_predicted for track in tracks]
    engine.genres.train()
    assert not engine.genres.is_outdated
    assert engine.genres.predict(tracks[0].track_id).genre == tracks[0].tags.genre


def test_training_prints_what_it_learned_from_and_how_well(run: Run, own: Path) -> None:
    ran = run("genre", "train", "-c", own)
    assert ran.status == 0
    assert [line.split()[:4] for line in ran.out.splitlines()[2:5]] == [
        [genre, "6", "3", "1.00"] for genre in sorted(GENRES)
    ]
    for words in (
        "18 tracks by 9 known artists",
        "accuracy     1.000 [",
        "macro-F1     1.000 [",
        "calibration  error 0.",
    ):
        assert words in ran.out
    assert "5.3% of tracks of these genres" in ran.out
    assert ran.err == "genres of all 18 tracks predicted\n"


def test_training_says_loudly_that_artists_are_unknown(run: Run, own: Path, tmp_path: Path) -> None:
    with Engine.open(own) as engine:
        rows = [{"track_id": track.track_id, "genre": track.tags.genre, "artist": ""} for track in engine.tracks()]
    pl.DataFrame([*rows, {"track_id": "nobody", "genre": "Drums", "artist": ""}]).write_csv(tmp_path / "labels.csv")
    ran = run("genre", "train", "--labels", tmp_path / "labels.csv", "-c", own, "--json")
    report = json.loads(ran.out)
    assert (report["n_unknown_artist"], report["n_artists"], report["n_absent"]) == (18, 0, 1)
    assert "WARNING: the artist of 18 of 18 tracks is unknown" in ran.err
    assert "WARNING: 1 rows of the table name no track" in ran.err


def test_a_prediction_is_printed_for_people_and_programs(run: Run, trained: Path, tmp_path: Path) -> None:
    song = wav(tmp_path / "song.wav", play("Chiptune", 7, 7))
    ran = run("genre", "predict", song, "-c", trained)
    assert ran.status == 0
    assert ran.out.splitlines()[2].split()[0] == "Chiptune"
    track = json.loads(run("tracks", "--genre", "plucked", "--json", "-c", trained).out.splitlines()[0])
    answer = json.loads(run("genre", "predict", "--json", track["track_id"], "-k", "2", "-c", trained).out)
    assert (answer["genre"], answer["is_unknown"], len(answer["probabilities"])) == ("Plucked", False, 2)
    ran = run("genre", "predict", wav(tmp_path / "noise.wav", noise()), "-c", trained)
    assert (ran.status, ran.out) == (0, "unknown\n")
    assert "no genre is predicted" in ran.err


def test_a_classifier_may_lie_elsewhere(run: Run, own: Path, tmp_path: Path) -> None:
    ran = run("genre", "train", "--out", tmp_path / "mine.safetensors", "-c", own)
    assert ran.err == f"classifier written to {tmp_path / 'mine.safetensors'}\n"
    song = wav(tmp_path / "song.wav", play("Plucked", 7, 7))
    assert run("genre", "predict", song, "-c", own).status == 2
    ran = run("genre", "predict", song, "--classifier", tmp_path / "mine.safetensors", "-c", own)
    assert ran.out.splitlines()[2].split()[0] == "Plucked"
    assert json.loads(run("tracks", "-c", own, "--json").out.splitlines()[0])["genre_predicted"] == ""
    other = replace(GenreClassifier.load(tmp_path / "mine.safetensors"), model_id="another")
    other.save(tmp_path / "other.safetensors")
    ran = run("genre", "predict", song, "--classifier", tmp_path / "other.safetensors", "-c", own)
    assert (ran.status, "must be of the catalogue's model" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("genre", 2),
        ("genre predict nobody", 2),
        ("genre train", 2),
        ("genre apply", 2),
        ("genre --help", 0),
    ],
)
def test_misuse_is_one_line(run: Run, tmp_path: Path, arguments: str, status: int) -> None:
    ran = run(*arguments.split(), *["-c", str(tmp_path)] * (" " in arguments and status == 2))
    assert ran.status == status
    assert "Traceback" not in ran.err


def test_the_column_is_listed_filtered_and_exported(run: Run, trained: Path, tmp_path: Path) -> None:
    assert run("tracks", "-c", trained).out.splitlines()[0].split() == [
        "id", "artist", "title", "length", "genre", "path",
    ]  # fmt: skip
    rows = [json.loads(line) for line in run("tracks", "--genre", "drums", "-c", trained, "--json").out.splitlines()]
    assert [row["genre_predicted"] for row in rows] == ["Drums"] * 6
    assert run("tracks", "--genre", "Polka", "-c", trained).out == ""
    assert run("export", tmp_path / "out.parquet", "-c", trained).status == 0
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["genre_predicted"].to_list() == frame["genre"].to_list()
    assert frame["genre_probability"].min() > 0.5


def test_a_catalogue_of_the_first_schema_opens_with_all_it_had(trained: Path) -> None:
    file = trained / "catalogue.sqlite"
    with Catalogue(trained) as catalogue:
        before = catalogue.tracks()
    database = sqlite3.connect(file, isolation_level=None)
    take_back(database, 1)
    database.close()
    with Engine.open(trained) as engine:
        assert [track.track_id for track in engine.tracks()] == [track.track_id for track in before]
        assert {track.genre_predicted for track in engine.tracks()} == {""}
        assert engine.genres.apply() == 18
        assert engine.tracks() == before
