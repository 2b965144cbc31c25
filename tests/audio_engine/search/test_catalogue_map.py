"""The map of a catalogue: near is alike; it is kept, brought up to date and made again."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_engine import Engine
from audio_engine.search import catalogue_map, projection
from audio_engine.search.catalogue_map import brought_up, laid_out, load_map, save_map
from tests.audio_engine.search.planted import N_EACH, change, clusters, fill


@pytest.fixture
def without_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "find_spec", lambda _: None)


def share_of_neighbours_kept(vectors: NDArray[np.float32], xy: NDArray[np.float32], k: int = 5) -> float:
    far = np.eye(len(xy)) * 1e9
    near = np.argsort(-(vectors @ vectors.T) + far, axis=1)[:, :k]
    drawn = np.argsort(np.linalg.norm(xy[:, None] - xy, axis=2) + far, axis=1)[:, :k]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(near, drawn, strict=True)]))


@pytest.mark.parametrize("kind", ["pca", pytest.param("umap", marks=pytest.mark.slow)])
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


def test_a_draft_stands_in_for_a_map_that_is_being_made(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(engine.catalogue, clusters())
    monkeypatch.setattr(projection, "find_spec", lambda _: True)
    is_drawn = Event()

    def slow_umap(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        assert is_drawn.wait(60)
        return vectors[:, :2].copy()

    monkeypatch.setattr(projection, "_umap", slow_umap)
    with ThreadPoolExecutor(1) as threads:
        making = threads.submit(engine.search.map)
        draft = engine.search.draft_map()
        assert (draft.projection, len(draft.track_ids), making.done()) == ("pca", 60, False)
        found = engine.search.track_vectors([str(track_id) for track_id in draft.track_ids])
        in_order = np.array([found[track_id].vector for track_id in draft.track_ids])
        assert share_of_neighbours_kept(in_order, draft.xy) > 2 * 5 / 59
        assert engine.search.draft_map() is draft
        assert not list(engine.directory.glob("map-*.npz"))  # it is not kept
        is_drawn.set()
        made = making.result()
    assert made.projection == "umap"
    engine.catalogue.write([change("late", clusters(1)[0])])
    assert engine.search.draft_map() is made  # the one before, which is nearer to the next


def test_of_very_many_tracks_a_sample_is_laid_out_and_the_others_put_among_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_map, "N_UMAP", 30)
    monkeypatch.setattr(catalogue_map, "installed", lambda: "umap")
    monkeypatch.setattr(catalogue_map, "project", lambda vectors: (vectors[:, :2].copy(), "umap"))
    vectors = clusters()
    xy, _ = laid_out(vectors)
    exact = np.all(xy == vectors[:, :2], axis=1)
    assert exact.sum() >= 30
    assert share_of_neighbours_kept(vectors, xy) > 2 * 5 / 59


def test_the_engine_forgets_nothing_when_a_catalogue_is_copied(engine: Engine, tmp_path: Path) -> None:
    fill(engine.catalogue, clusters()[:4])
    engine.search.map()
    shutil.copytree(tmp_path / "catalogue", tmp_path / "copy")
    with Engine.open(tmp_path / "copy") as copy:
        assert len(copy.search.map().track_ids) == 4
