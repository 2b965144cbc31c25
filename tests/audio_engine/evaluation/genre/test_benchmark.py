import json

import numpy as np
import polars as pl
import pytest
import soundfile
from typer.testing import CliRunner

from audio_engine.cli.commands import app
from audio_engine.evaluation.genre.benchmark import evaluate_genre
from audio_engine.evaluation.genre.choices import Kind, Protocol, Unit
from audio_engine.evaluation.genre.dataset import GenreDataset, GenreTrack, Part
from audio_engine.evaluation.genre.encoders import load_encoders
from audio_engine.evaluation.genre.page import write_report
from audio_engine.evaluation.genre.readers import read_table
from audio_engine.evaluation.genre.vectors import Degradation

RATE = 22_050
N_ARTISTS, N_TRACKS = 30, 3


def artist_sound(artist, track):
    """Make a second of an artist's sound: a chord and a hiss of their own, nearly the same on all their tracks."""
    rng, here = np.random.default_rng([7, artist]), np.random.default_rng([8, artist, track])
    time = np.arange(RATE) / RATE
    tones = sum(
        rng.uniform(0.1, 1) * np.sin(2 * np.pi * frequency * time + here.uniform(0, 6))
        for frequency in rng.uniform(100, 5_000, size=4)
    )
    hiss = here.standard_normal(RATE) * rng.uniform(0.01, 0.5)
    return (0.1 * here.uniform(0.8, 1.2) * (tones + hiss)).astype(np.float32)


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    """A trap: the audio reveals the artist, and only the artist reveals the genre."""
    folder = tmp_path_factory.mktemp("tied")
    genre_of = np.random.default_rng(0).permutation(np.arange(N_ARTISTS) % 3)
    rows = []
    for artist, track in np.ndindex(N_ARTISTS, N_TRACKS):
        file = f"{artist}-{track}.wav"
        soundfile.write(folder / file, artist_sound(artist, track), RATE)
        rows.append({"file": file, "genre": "abc"[genre_of[artist]], "artist": f"artist {artist}"})
    pl.DataFrame(rows).write_csv(folder / "tracks.csv")
    return folder


def evaluate(
    dataset,
    embedder,
    cache_dir,
    *,
    protocol,
    names=("mfcc",),
    kinds=(Kind.LOGISTIC,),
    degradations=(Degradation.CLEAN,),
):
    return evaluate_genre(
        dataset,
        load_encoders(names, embedder=embedder, seed=0),
        protocol=protocol,
        unit=Unit.TRACK,
        cache_dir=cache_dir,
        kinds=kinds,
        degradations=degradations,
    )


@pytest.mark.parametrize("kind", [Kind.LOGISTIC, Kind.KNN])
def test_a_genre_that_only_the_artist_gives_away_scores_chance_under_the_artist_filter_alone(tied, embedder, kind):
    cache = tied / "cache"
    dataset = read_table(tied / "tracks.csv")
    filtered = evaluate(dataset, embedder, cache, protocol=Protocol.ARTIST_FILTERED, kinds=(kind,)).results[0]
    plain = evaluate(dataset, embedder, cache, protocol=Protocol.PLAIN, kinds=(kind,)).results[0]
    assert filtered.accuracy.low <= 1 / 3 <= filtered.accuracy.high
    assert plain.accuracy.low > max(0.5, filtered.accuracy.value)


def test_one_artist_a_genre_cannot_be_told_under_the_filter_and_the_report_says_why(tied, embedder):
    rows = read_table(tied / "tracks.csv").tracks[: 5 * N_TRACKS]
    lone = GenreDataset(
        name="lone",
        tracks=tuple(
            GenreTrack(path=track.path, genres=(f"genre of {track.artist}",), artist=track.artist) for track in rows
        ),
    )
    filtered = evaluate(lone, embedder, tied / "cache", protocol=Protocol.ARTIST_FILTERED)
    plain = evaluate(lone, embedder, tied / "cache", protocol=Protocol.PLAIN)
    assert filtered.results[0].accuracy.value == 0  # a genre that is asked for was never learned
    assert any("can be learned" in note for note in filtered.notes)
    assert plain.results[0].accuracy.value > 0.6  # of five genres


def test_encoders_stand_side_by_side_at_their_own_size_and_at_forty_numbers(tied, embedder):
    dataset = read_table(tied / "tracks.csv")
    report = evaluate(
        dataset,
        embedder,
        tied / "cache",
        protocol=Protocol.PLAIN,
        names=("mfcc", "mel"),
        degradations=tuple(Degradation)[:3],
    )
    assert [result.name for result in report.results] == ["mfcc", "mel", "mel, PCA-40"]
    assert [result.dim for result in report.results[:2]] == [40, 256]
    assert 30 < report.results[2].dim <= 40  # as many as the smallest inner fold has tracks
    assert [comparison.second for comparison in report.comparisons] == ["mel", "mel, PCA-40"]
    for result in report.results:
        assert set(result.degraded) == {Degradation.MP3, Degradation.QUIETER}
        assert np.sum(result.confusion) == 90
        assert np.trace(result.confusion) / 90 == pytest.approx(result.accuracy.value)
        assert np.mean([score.f1 for score in result.by_genre]) == pytest.approx(result.macro_f1)
    assert 0 <= report.friedman[Kind.LOGISTIC] <= 1
    assert report.most_frequent == pytest.approx(1 / 3)
    assert "NO ARTIST FILTER" in report.to_markdown()


def test_several_genres_a_track_are_scored_by_areas_over_official_splits(tied, embedder):
    tracks = []
    for number, track in enumerate(read_table(tied / "tracks.csv").tracks):
        parts = [(Part.TRAIN, Part.VALID, Part.TEST)[(number + shift) % 3] for shift in range(2)]
        genres = (track.genres[0], "ab" if track.genres[0] in "ab" else "not ab")
        tracks.append(GenreTrack(path=track.path, genres=genres, artist=track.artist, parts=tuple(parts)))
    dataset = GenreDataset(name="tags", tracks=tuple(tracks), is_multilabel=True)
    report = evaluate(dataset, embedder, tied / "cache", protocol=Protocol.OFFICIAL, names=("mfcc", "mel"))
    areas = report.results[0].areas
    assert 0.7 < areas.roc_auc <= 1  # an artist is on both sides of this split
    assert areas.pr_auc > 0.5
    assert report.comparisons == ()
    assert "ROC-AUC / PR-AUC" in report.to_markdown()
    json.dumps(report.rows())


def test_the_command_prints_a_table_writes_a_page_that_needs_no_other_file_and_names_what_failed(tied, tmp_path):
    (tied / "broken.wav").write_bytes(b"RIFF no sound")
    rows = pl.read_csv(tied / "tracks.csv")[:45]
    broken = pl.DataFrame({"file": ["broken.wav"], "genre": ["a"], "artist": ["nobody"]})
    pl.concat([rows, broken]).write_csv(tied / "few.csv")
    arguments = ["benchmark", "genre", str(tied / "few.csv"), "--encoder", "mfcc", "--per", "track"]
    arguments += ["--no-robustness", "--cache", str(tied / "cache"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1  # some failed
    assert "| mfcc " in result.stdout
    assert "1 files could not be read" in result.stdout
    assert "broken.wav" in result.stdout
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2  # an overview, and a confusion matrix
    assert 'src="http' not in page
    assert (tmp_path / "out" / "confusion-mfcc.png").read_bytes().startswith(b"\x89PNG")
    kinds = [row["kind"] for row in json.loads((tmp_path / "out" / "report.json").read_text())]
    assert kinds == ["dataset", *["result"] * 3]


def test_the_command_gives_json_lines_and_narrows_to_genres(tied):
    arguments = ["benchmark", "genre", str(tied / "tracks.csv"), "--encoder", "mfcc", "--per", "track", "--json"]
    arguments += ["--no-robustness", "--cache", str(tied / "cache"), "--genres", "a,b"]
    arguments += ["--classifier", "knn", "--classifier", "logistic"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    about, *rest = map(json.loads, result.stdout.splitlines())
    assert about["genres"] == ["a", "b"]
    assert about["n_tracks"] == 60
    assert [row["classifier"] for row in rest] == [Kind.KNN, Kind.LOGISTIC]


def test_a_name_in_a_page_cannot_break_out_of_it(tied, embedder, tmp_path):
    tracks = tuple(
        GenreTrack(path=track.path, genres=(f"<script>{track.genres[0]}",), artist=track.artist)
        for track in read_table(tied / "tracks.csv").tracks
    )
    report = evaluate(
        GenreDataset(name="<b>", tracks=tracks), embedder, tied / "cache", protocol=Protocol.ARTIST_FILTERED
    )
    write_report(report, tmp_path)
    assert "<script>" not in (tmp_path / "report.html").read_text()
