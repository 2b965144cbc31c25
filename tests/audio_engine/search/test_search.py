"""What a person looks at: matching seconds, outlines, the map, search by name."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audio_engine import Catalogue, DecodeError, Engine, Tags, UnknownTrackError
from audio_engine.catalogue.track import DIM, Embedded
from audio_engine.embedding.models import shipped_model_id
from audio_engine.search import catalogue_map, projection
from audio_engine.search.catalogue_map import brought_up, laid_out, load_map, save_map
from tests.genre_world import SAMPLE_RATE, play
from tests.sounds import write_sound

N_CLUSTERS, N_EACH = 5, 12


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine.open(tmp_path / "catalogue") as engine:
        yield engine


@pytest.fixture
def without_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "find_spec", lambda _: None)


def clusters(seed: int = 0, *, n_each: int = N_EACH) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((N_CLUSTERS, DIM))
    vectors = np.repeat(centres, n_each, axis=0) + 0.3 * rng.standard_normal((N_CLUSTERS * n_each, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def change(name: str, vector: NDArray[np.float32], **tags: str) -> Embedded:
    return Embedded(
        path=Path(f"/music/{name}.mp3"),
        content_hash=name,
        file_size=1,
        mtime_ns=1,
        tags=Tags(**tags),
        model_id=shipped_model_id(),
        vector=vector,
    )


def fill(catalogue: Catalogue, vectors: NDArray[np.float32], *, prefix: str = "") -> None:
    catalogue.set_model(shipped_model_id())
    catalogue.write([change(f"{prefix}{row}", vector) for row, vector in enumerate(vectors)])


def share_of_neighbours_kept(vectors: NDArray[np.float32], xy: NDArray[np.float32], k: int = 5) -> float:
    far = np.eye(len(xy)) * 1e9
    near = np.argsort(-(vectors @ vectors.T) + far, axis=1)[:, :k]
    drawn = np.argsort(np.linalg.norm(xy[:, None] - xy, axis=2) + far, axis=1)[:, :k]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(near, drawn, strict=True)]))


# Matching


def test_a_query_cut_from_a_track_matches_at_its_seconds(engine: Engine, tmp_path: Path) -> None:
    genres = ("Plucked", "Chiptune", "Drums")
    track = np.concatenate([play(genres[n % 3], n, n) for n in range(10)])  # ten pieces of 3 s: as the segments lie
    soundfile.write(tmp_path / "song.flac", track, SAMPLE_RATE)
    assert [result.status for result in engine.embed(tmp_path / "song.flac")] == ["embedded"]
    for piece in (2, 7):
        cut = track[piece * 3 * SAMPLE_RATE : (piece + 1) * 3 * SAMPLE_RATE]
        soundfile.write(tmp_path / "cut.flac", cut, SAMPLE_RATE)
        match = engine.search.explain(tmp_path / "cut.flac", tmp_path / "song.flac")
        assert match.neighbour_start_s == pytest.approx(piece * 3.0, abs=0.05)
        assert match.neighbour_end_s == pytest.approx(piece * 3.0 + 3.0, abs=0.05)
        assert (match.query_start_s, match.query_end_s) == (0.0, 3.0)
        assert match.similarity > 0.9


def test_the_mean_of_the_segments_is_what_the_vector_is_made_of(engine: Engine) -> None:
    segments = np.random.default_rng(0).standard_normal((10, engine.embedder.recipe.segment_samples)) * 0.1
    segments = np.repeat(segments[:1], 10, axis=0).astype(np.float32)  # ten times the same: each is the whole track
    of_segments = engine.embedder.embed_segments(segments)
    np.testing.assert_allclose(of_segments, np.repeat(engine.embedder.embed(segments[None]), 10, axis=0), atol=1e-4)


def test_what_was_read_is_remembered_until_the_file_changes(engine: Engine, tmp_path: Path) -> None:
    track = write_sound(tmp_path / "song.wav")
    first = engine.search.waveform(track)
    assert engine.search.waveform(track) is first
    write_sound(track, seed=1)
    os.utime(track, ns=(1, 1))
    assert engine.search.waveform(track) is not first


def test_kept_decoders_outline_a_song_too_and_outlive_what_is_none(engine: Engine, tmp_path: Path) -> None:
    track = write_sound(tmp_path / "song.wav")
    alone = engine.search.waveform(track)
    (tmp_path / "none.wav").write_bytes(b"nothing")
    with Engine.open(tmp_path / "other") as other:
        other.decoders.keep(other.embedder.recipe, n_workers=1)
        with pytest.raises(DecodeError, match="none"):
            other.search.waveform(tmp_path / "none.wav")
        np.testing.assert_array_equal(other.search.waveform(track).peaks, alone.peaks)


def test_songs_that_are_not_there_are_named(engine: Engine, tmp_path: Path) -> None:
    fill(engine.catalogue, clusters()[:1])
    with pytest.raises(UnknownTrackError, match="nowhere"):
        engine.search.explain(tmp_path / "nowhere.mp3", "/music/0.mp3")
    with pytest.raises(DecodeError, match=r"/music/0\.mp3: No such file"):
        engine.search.waveform("/music/0.mp3")


# The map


@pytest.mark.parametrize("kind", ["pca", "umap"])
def test_the_map_keeps_neighbours_together(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "pca":
        monkeypatch.setattr(projection, "find_spec", lambda _: None)
    elif find_spec("umap") is None:
        pytest.skip("umap-learn is not installed: pip install 'audio-content-engine[map]'")
    vectors = clusters()
    xy, told = laid_out(vectors)
    assert told == kind
    assert np.abs(xy).max() == pytest.approx(1.0, abs=1e-5)
    chance = 5 / (len(vectors) - 1)
    assert share_of_neighbours_kept(vectors, xy) > {"pca": 2, "umap": 3}[kind] * chance
    np.testing.assert_array_equal(laid_out(vectors)[0], xy)  # the same again


@pytest.mark.usefixtures("without_umap")
def test_a_kept_map_is_used_again_and_a_stale_one_is_brought_up(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine.catalogue, clusters())
    first = engine.search.map()
    assert (len(first.track_ids), first.projection) == (60, "pca")
    assert engine.search.map() is first
    with monkeypatch.context() as patch, Engine.open(tmp_path / "catalogue") as again:
        patch.setattr(catalogue_map, "brought_up", None)  # nothing is made
        np.testing.assert_array_equal(again.search.map().xy, first.xy)

    engine.catalogue.write([change("late", clusters(1)[0])])  # one of the first cluster
    second = engine.search.map()
    late = engine.find("/music/late.mp3").track_id
    rows = second.rows(np.array([*first.track_ids, late]))
    np.testing.assert_array_equal(second.xy[rows[:-1]], first.xy)  # nobody has moved
    track_ids = [engine.find(f"/music/{n}.mp3").track_id for n in range(N_EACH)]
    home = second.xy[second.rows(np.array(track_ids))]
    assert np.linalg.norm(second.xy[rows[-1]] - home.mean(0)) < 2 * home.std()
    assert len(list((tmp_path / "catalogue").glob("map-*.npz"))) == 1

    engine.remove("/music/late.mp3", "/music/3.mp3")
    assert len(engine.search.map().track_ids) == 59


@pytest.mark.usefixtures("without_umap")
def test_a_map_is_laid_out_anew_once_much_has_changed(engine: Engine) -> None:
    fill(engine.catalogue, clusters())
    first = engine.search.map()
    fill(engine.catalogue, clusters(1), prefix="more")
    second = engine.search.map()
    assert second.is_settled.all()
    assert not np.array_equal(second.xy[second.rows(first.track_ids)], first.xy)


@pytest.mark.usefixtures("without_umap")
def test_a_vector_that_has_changed_is_placed_anew() -> None:
    vectors, track_ids = clusters(), np.array([f"{n:03d}" for n in range(60)])
    before = brought_up(None, track_ids, vectors)
    changed = vectors.copy()
    changed[0] = vectors[59]
    after = brought_up(before, track_ids, changed)
    np.testing.assert_array_equal(after.xy[1:], before.xy[1:])
    assert np.linalg.norm(after.xy[0] - before.xy[59]) < np.linalg.norm(after.xy[0] - before.xy[0])
    assert list(np.flatnonzero(~after.is_settled)) == [0]


@pytest.mark.usefixtures("without_umap")
def test_a_damaged_map_is_made_again(engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(engine.catalogue, clusters())
    first = engine.search.map()
    [file] = (tmp_path / "catalogue").glob("map-*.npz")
    file.write_bytes(file.read_bytes()[:100])
    with Engine.open(tmp_path / "catalogue") as again:
        np.testing.assert_array_equal(again.search.map().xy, first.xy)
    assert "map is made again" in caplog.text


@pytest.mark.usefixtures("without_umap")
@pytest.mark.parametrize("n_tracks", [0, 1, 2, 3])
def test_a_map_of_few_tracks(n_tracks: int, tmp_path: Path) -> None:
    vectors, track_ids = clusters()[:n_tracks], np.array([f"{n}" for n in range(n_tracks)], np.str_)
    made = brought_up(None, track_ids, vectors)
    assert made.xy.shape == (n_tracks, 2)
    assert np.isfinite(made.xy).all()
    save_map(made, tmp_path / "map.npz")
    np.testing.assert_array_equal(load_map(tmp_path / "map.npz").xy, made.xy)
    assert list(made.rows(np.array(["0", "x"]))) == [0 if n_tracks else -1, -1]


def test_of_very_many_tracks_a_sample_is_laid_out_and_the_others_put_among_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_map, "N_UMAP", 30)
    monkeypatch.setattr(catalogue_map, "installed", lambda: "umap")
    monkeypatch.setattr(catalogue_map, "project", lambda vectors: (vectors[:, :2].copy(), "umap"))
    vectors = clusters()
    xy, _ = laid_out(vectors)
    exact = np.all(xy == vectors[:, :2], axis=1)
    assert exact.sum() >= 30
    assert share_of_neighbours_kept(vectors, xy) > 2 * 5 / 59


# Search by name


@pytest.fixture
def named(engine: Engine) -> Engine:
    vectors = clusters()
    engine.catalogue.set_model(shipped_model_id())
    engine.catalogue.write(
        [
            change("a", vectors[0], title="Ace of Spades", artist="Motörhead"),
            change("b", vectors[1], title="Spade work", artist="Someone"),
            change("sub/motor", vectors[2], title="Ácé", album="The Motorheads"),
            change("d", vectors[3], title="ＷＩＤＥ <script>"),
        ]
    )
    return engine


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("motorhead", ["a", "motor"]),
        ("MOTÖRHEAD ace", ["a", "motor"]),
        ("spade", ["b", "a"]),  # the whole word first
        ("of spade", ["a"]),
        ("pade", ["a", "b"]),
        ("sub", ["motor"]),
        ("<script>", ["d"]),
        ("wide", ["d"]),
        ("ace nothing", []),
        ("%", []),
        ("  ", []),
    ],
)
def test_words_find_tracks_whatever_their_case_and_accents(named: Engine, text: str, names: list[str]) -> None:
    assert [track.path.stem for track in named.search.by_text(text)] == names


def test_the_search_knows_what_was_added_renamed_and_removed_by_whomever(named: Engine, tmp_path: Path) -> None:
    assert len(named.search.by_text("mp3")) == 4
    assert len(named.search.by_text("mp3", k=2)) == 2
    named.remove("/music/a.mp3")
    assert len(named.search.by_text("mp3")) == 3
    with Catalogue(tmp_path / "catalogue") as other:
        other.write([change("new", clusters()[9], title="Newcomer")])
    assert [track.tags.title for track in named.search.by_text("newcomer")] == ["Newcomer"]
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        named.search.by_text("mp3", k=0)


def test_the_engine_forgets_nothing_when_a_catalogue_is_copied(named: Engine, tmp_path: Path) -> None:
    named.search.map()
    shutil.copytree(tmp_path / "catalogue", tmp_path / "copy")
    with Engine.open(tmp_path / "copy") as copy:
        assert len(copy.search.map().track_ids) == 4
