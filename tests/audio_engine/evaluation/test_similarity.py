import json
import shutil

import numpy as np
import polars as pl
import pytest
import soundfile
import torch

from audio_engine.evaluation.genre.musicnn import is_installed
from audio_engine.evaluation.representations import MFCC, OURS, Version, by_method, describe, methods
from audio_engine.evaluation.similarity import CHANCE, MAP, PRECISION, ROBUSTNESS, evaluate_similarity
from audio_engine.metrics.retrieval import cosine
from features.decode import decode, decode_segments
from features.recipe import MelRecipe
from metric_learning.embedder import Embedder
from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import EncoderConfig
from tests.command_line import Run

RATE = 22_050
N_TRACKS = 6  # of each artist


@pytest.fixture(scope="module")
def embedder():
    torch.manual_seed(0)
    recipe = MelRecipe(n_segments=2)
    config = EncoderConfig(n_mels=recipe.n_mels, frame_rate=recipe.sample_rate / recipe.hop_length)
    return Embedder(AudioEncoder(config), recipe=recipe, model_id="random", device="cpu")


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Two artists: one plays low tones, the other noise; a third has a single click and no relevant track."""
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    time = np.arange(4 * RATE) / RATE
    artists = ["tones"] * N_TRACKS + ["noises"] * N_TRACKS + ["alone"]
    for number, artist in enumerate(artists):
        sound = {
            "tones": np.sin(2 * np.pi * rng.uniform(200, 400) * time),
            "noises": rng.standard_normal(time.size),
            "alone": (np.arange(time.size) % RATE == 0).astype(float),
        }[artist]
        pulse = 1 + np.sin(2 * np.pi * rng.uniform(1, 4) * time)
        soundfile.write(folder / f"{number}.wav", 0.1 * pulse * sound, RATE)
    table = pl.DataFrame(
        {
            "track": [f"t{number}" for number in range(len(artists))],
            "file": [f"{number}.wav" for number in range(len(artists))],
            "artist_key": artists,
            "genre": ["", None] + ["x"] * (len(artists) - 2),
            "split": ["valid_cold"] * (len(artists) - 1) + ["train"],
            "artist_seen": [False] * (len(artists) - 1) + [True],
        }
    )
    table.write_parquet(folder / "tracks.parquet")
    return folder


@pytest.fixture(scope="module")
def report(music):
    return evaluate_similarity(music / "tracks.parquet", music)


def test_every_query_counts_and_chance_is_exact(report):
    n = 2 * N_TRACKS + 1
    assert (report.n_tracks, report.n_alone) == (n, 1)
    assert report.value(CHANCE, PRECISION) == pytest.approx(2 * N_TRACKS * (N_TRACKS - 1) / (n - 1) / n)


def test_tones_and_noises_are_told_apart(report):
    best = 2 * N_TRACKS / (2 * N_TRACKS + 1)  # the one that is alone scores 0
    assert 2 * report.value(CHANCE, PRECISION) < report.value(MFCC, PRECISION) <= best
    assert report.value(OURS, PRECISION) > report.value(CHANCE, PRECISION)
    assert 1.5 * report.value(CHANCE, MAP) < report.value(MFCC, MAP) <= best


def test_rows_are_one_measure_each_with_interval_and_number_of_queries(report):
    rows = report.rows()
    assert all(list(row) == ["method", "metric", "value", "low", "high", "n"] for row in rows)
    assert len({(row["method"], row["metric"]) for row in rows}) == len(rows)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["low"] is not None)
    assert {row["metric"] for row in rows if row["method"] == OURS} >= {PRECISION, MAP, *ROBUSTNESS}


def test_the_table_has_a_line_for_each_metric_and_a_column_for_each_method(report):
    lines = report.to_markdown().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    musicnn = ["MusiCNN"] if is_installed() else []
    assert cells[0][1:] == ["chance", "MFCC", "MFCC at 44.1 kHz", "mel statistics", *musicnn, "untrained", "ours"]
    assert len({len(line) for line in lines if line.startswith("|")}) == 1
    assert [row[0] for row in cells[2:4]] == [PRECISION, MAP]
    with pytest.raises(LookupError, match="must have been measured"):
        report.value("ours", "luck")


def test_split_and_unseen_artists_narrow_the_queries_and_the_candidates(music, tmp_path):
    pl.read_parquet(music / "tracks.parquet")[[0, 1, 6, 12]].write_parquet(tmp_path / "tracks.parquet")
    only = evaluate_similarity(tmp_path / "tracks.parquet", music, split="valid_cold", unseen_artists=True)
    assert (only.n_tracks, only.n_alone) == (3, 1)
    assert only.value(CHANCE, PRECISION) == pytest.approx(1 / 3)


def test_what_is_described_is_what_embedding_a_folder_would_store(music, embedder):
    files = [music / "0.wav", music / "7.wav"]
    by = methods(embedder, seed=0)
    *_, (_, vectors) = by_method([*describe(files, by)], by)
    stored = embedder.embed(np.stack([decode_segments(file, embedder.recipe).segments for file in files]))
    assert np.abs(vectors[Version.WHOLE] - stored).max() < 1e-5


def test_an_excerpt_is_looked_up_among_the_other_halves(music, embedder):
    by = methods(embedder, seed=0)[-1:]
    for _, vectors in by_method([*describe([music / "0.wav"], by)], by):
        waveform = decode(music / "0.wav", embedder.recipe.sample_rate)
        expected = by[0].describe([waveform[waveform.size // 2 :]])
        assert cosine(vectors[Version.SECOND_HALF], expected)[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("column", ["artist_key", "split", "artist_seen", "file"])
def test_a_missing_column_is_named(music, tmp_path, column):
    pl.read_parquet(music / "tracks.parquet").drop(column).write_parquet(tmp_path / "tracks.parquet")
    with pytest.raises(ValueError, match=f"tracks must have a column '{column}', got track, "):
        evaluate_similarity(tmp_path / "tracks.parquet", music, split="valid_cold", unseen_artists=True)


def test_columns_that_are_not_asked_for_may_be_missing(music, tmp_path):
    table = pl.read_parquet(music / "tracks.parquet").select("track", "file", "genre")[:4]
    table.write_parquet(tmp_path / "tracks.parquet")
    found = evaluate_similarity(tmp_path / "tracks.parquet", music, relevant="genre")
    assert found.n_alone == 2  # no genre is nobody's genre


def test_a_missing_file_is_named(music, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        evaluate_similarity(tmp_path / "nowhere.parquet", music)
    assert caught.value.filename == str(tmp_path / "nowhere.parquet")
    with pytest.raises(FileNotFoundError) as caught:
        evaluate_similarity(music / "tracks.parquet", tmp_path)
    assert caught.value.filename == str(tmp_path / "0.wav")


def test_a_folder_without_the_files_is_one_sentence(run: Run, music, world, tmp_path):
    (tmp_path / "other.wav").write_bytes((music / "0.wav").read_bytes())
    n = 2 * N_TRACKS + 1
    ran = run("evaluate", "similarity", "--tracks", music / "tracks.parquet", "--audio", tmp_path)
    words = f"{n} of the {n} files of the table are not there (this is the first; is it the right folder?)"
    assert (ran.status, ran.out, ran.err.splitlines()[-1]) == (2, "", f"error: {tmp_path / '0.wav'}: {words}")
    ran = run("evaluate", "sensitivity", "--world", world, "--audio", tmp_path, "--store", tmp_path / "mels")
    assert (ran.status, ran.out) == (2, "")
    assert "error: every track must have audio that can be read, got none for " in ran.err.splitlines()[-1]


def test_a_table_that_is_none_is_refused(music):
    with pytest.raises(ValueError, match=r"a table must end in \.parquet, \.csv, \.tsv or \.jsonl, got 0\.wav"):
        evaluate_similarity(music / "0.wav", music)


def test_a_file_that_cannot_be_decoded_is_left_out_and_named(run: Run, music, tmp_path):
    table = pl.read_parquet(music / "tracks.parquet")[[0, 1, 6, 7]]
    for name in table["file"]:
        shutil.copy(music / name, tmp_path)
    table[[0, 2, 3]].write_parquet(tmp_path / "readable.parquet")
    table.write_parquet(tmp_path / "tracks.parquet")
    (tmp_path / "1.wav").write_bytes(b"no sound at all")
    ran = run("evaluate", "similarity", "--tracks", tmp_path / "tracks.parquet", "--audio", tmp_path, "--json")
    assert (ran.status, f"\nleft out: {tmp_path / '1.wav'}: " in ran.err) == (1, True)
    expected = evaluate_similarity(tmp_path / "readable.parquet", tmp_path)
    assert expected.failed == ()
    assert ran.objects == json.loads(json.dumps(expected.rows()))
    table[[0, 1]].write_parquet(tmp_path / "tracks.parquet")
    with pytest.raises(ValueError, match=r"at least 2 files that can be read, got 1 of 2; .*1\.wav: "):
        evaluate_similarity(tmp_path / "tracks.parquet", tmp_path)


def test_a_split_with_nothing_in_it_is_refused(music):
    with pytest.raises(ValueError, match=r"at least 2 tracks, got 0 .of split 'test'"):
        evaluate_similarity(music / "tracks.parquet", music, split="test")
