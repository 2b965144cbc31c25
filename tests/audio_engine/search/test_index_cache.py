"""The index cached beside the catalogue: reused, rebuilt, and never out of step with the catalogue."""

import logging
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from audio_engine import Catalogue, Engine, Tags, TrackFilter
from audio_engine.catalogue.track import DIM, Embedded, Failed, Moved
from audio_engine.embedding.models import shipped_model_id
from audio_engine.search import index_cache
from index.kinds import Kind
from index.recall import RecallError
from index.vector_index import VectorIndex
from tests.old_catalogues import take_back
from tests.paths import ROOT

N_TRACKS = 60
PREPARED = """
import sys
from pathlib import Path
from tests.audio_engine.search.test_index_cache import change, index_cache
from audio_engine import Engine
index_cache.KEEP_FROM = 1
directory = Path(sys.argv[1])
"""


def change(seed: int, *, model_id: str = "") -> Embedded:
    vector = np.random.default_rng(seed).normal(size=DIM).astype(np.float32)
    return Embedded(
        path=Path(f"/music/{seed}.mp3"),
        content_hash=f"content {seed}",
        file_size=1,
        mtime_ns=1,
        tags=Tags(title=str(seed), year=1950 if seed % 50 else 2000),
        model_id=model_id or shipped_model_id(),
        vector=vector / np.linalg.norm(vector),
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    with Catalogue(tmp_path) as catalogue:
        catalogue.set_model(shipped_model_id())
        catalogue.write([change(seed) for seed in range(N_TRACKS)])
    return tmp_path


@pytest.fixture
def keep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "KEEP_FROM", 1)


@pytest.fixture
def engine(keep_all: None, engine: Engine) -> Engine:
    return engine


def answer(engine: Engine) -> list[tuple[str, float]]:
    song = engine.catalogue.track_at(Path("/music/0.mp3"))
    assert song is not None
    return [(each.track.tags.title, each.similarity) for each in engine.similar(song.track_id, 100)]


def expected(engine: Engine) -> list[tuple[str, float]]:
    """What the catalogue says, in plain NumPy."""
    track_ids, vectors = engine.catalogue.vectors(shipped_model_id())
    titles = [track.tags.title for track in map(engine.find, track_ids)]
    song = titles.index("0")
    similarities = vectors.astype(np.float64) @ vectors[song]
    order = [row for row in np.argsort(-similarities) if row != song]
    return [(titles[row], pytest.approx(float(similarities[row]), abs=1e-6)) for row in order]


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*index-*"))


def run(code: str, directory: Path) -> int:
    command = [sys.executable, "-c", PREPARED + code, str(directory)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False).returncode


def may_not_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "build_index", lambda *_: pytest.fail("the index was built again"))


def test_a_large_index_is_kept_and_found_again(
    directory: Path, keep_all: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine.open(directory) as engine:
        before = answer(engine)
        assert before == expected(engine)
    assert len(files(directory)) == 1
    may_not_build(monkeypatch)
    with Engine.open(directory) as engine:
        assert answer(engine) == before


def test_a_kept_index_is_mended_by_what_has_changed_since(
    directory: Path, keep_all: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine.open(directory) as engine:
        answer(engine)
    kept = files(directory)
    may_not_build(monkeypatch)
    monkeypatch.setattr(index_cache, "PATIENCE", 0)
    with Engine.open(directory) as engine:
        engine.catalogue.write([change(70), change(71), replace(change(1), vector=change(72).vector)])
        engine.remove("/music/5.mp3")
        assert answer(engine) == expected(engine)
        assert engine.info().index_kind == "exact"
    with Engine.open(directory) as engine:
        assert answer(engine) == expected(engine)
        assert files(directory) == kept
        monkeypatch.setattr(index_cache, "SAVE_FROM", 2)
        engine.catalogue.write([change(80)])
        assert answer(engine) == expected(engine)
    with Engine.open(directory) as engine:
        assert answer(engine) == expected(engine)
    (new,) = files(directory)
    assert [new] != kept
    assert VectorIndex.load(new).describe().n_tracks == N_TRACKS + 2


def test_an_index_is_built_again_where_much_has_changed_or_what_has_is_not_known(
    directory: Path, keep_all: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    build = index_cache.build_index
    monkeypatch.setattr(index_cache, "PATIENCE", 0)
    monkeypatch.setattr(index_cache, "build_index", lambda *asked: built.append(len(asked[0])) or build(*asked))
    with Engine.open(directory) as engine:
        answer(engine)
        engine.catalogue.write([change(seed) for seed in range(100, 110)])
        assert answer(engine) == expected(engine)
        engine.catalogue.write([change(seed) for seed in range(110, 130)])
        assert answer(engine) == expected(engine)
        assert built == [N_TRACKS, N_TRACKS + 30]
        engine.catalogue._connections.main.execute("DELETE FROM vector_changes")
        engine.catalogue.write([change(140)])
        assert answer(engine) == expected(engine)
        assert built == [N_TRACKS, N_TRACKS + 30, N_TRACKS + 31]


def test_a_small_one_needs_no_file(directory: Path) -> None:
    with Engine.open(directory) as engine:
        assert answer(engine) == expected(engine)
    assert files(directory) == []


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9, 0.9999])
def test_a_flipped_byte_is_noticed_and_the_index_made_again(
    directory: Path, keep_all: None, place: float, caplog: pytest.LogCaptureFixture
) -> None:
    with Engine.open(directory) as engine:
        before = answer(engine)
    (file,) = files(directory)
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 0x10
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING), Engine.open(directory) as engine:
        assert answer(engine) == before == expected(engine)
    assert "made again from the catalogue" in caplog.text
    assert VectorIndex.load(file).describe().n_tracks == N_TRACKS


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_made_again(directory: Path, keep_all: None, kept: float) -> None:
    with Engine.open(directory) as engine:
        before = answer(engine)
    (file,) = files(directory)
    os.truncate(file, int(kept * file.stat().st_size))
    with Engine.open(directory) as engine:
        assert answer(engine) == before
    assert VectorIndex.load(file).describe().n_tracks == N_TRACKS


@pytest.mark.parametrize(
    "code",
    [
        "Engine.open(directory).catalogue.write([change(n) for n in range(60, 90)])",
        "e = Engine.open(directory); e.remove(*(t.track_id for t in e.tracks()[30:40]))",
        "Engine.open(directory).catalogue.write([change(0)])",
    ],
    ids=["adds", "removes", "writes the same again"],
)
def test_what_another_process_changes_is_in_the_next_answer(
    directory: Path, keep_all: None, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_cache, "PATIENCE", 0)
    with Engine.open(directory) as engine:
        assert answer(engine) == expected(engine)
        assert run(code, directory) == 0
        assert answer(engine) == expected(engine)
        with Engine.open(directory) as again:
            assert answer(again) == expected(engine)


def test_a_large_index_answers_on_for_a_while_when_another_process_writes(engine: Engine) -> None:
    index_cache_of_engine = engine.search.index
    before = answer(engine)
    held = index_cache_of_engine._held
    assert held is not None
    index_cache_of_engine._held = index_cache.Held(
        index=held.index, key=held.key, fresh_until=float("inf"), may_lag=True
    )
    gone = before[0][0]
    engine.catalogue.remove([track.track_id for track in engine.tracks() if track.tags.title == gone])
    assert answer(engine) == before[1:]  # old, and yet nothing that is not there
    engine.catalogue.write([change(100)])
    assert "100" not in dict(answer(engine))
    engine.remove(next(track.track_id for track in engine.tracks() if track.tags.title == before[1][0]))
    assert answer(engine) == expected(engine)  # what we change ourselves is seen at once


def test_while_one_thread_makes_a_large_index_the_others_answer_from_the_old_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_cache, "PATIENCE", 0)
    before = answer(engine)
    is_making, may_end = Event(), Event()
    build = index_cache.build_index

    def slow(track_ids: list[str], vectors: np.ndarray, kind: Kind | None) -> VectorIndex:
        is_making.set()
        assert may_end.wait(30)
        return build(track_ids, vectors, kind)

    monkeypatch.setattr(index_cache, "build_index", slow)
    monkeypatch.setattr(index_cache, "MOST_CHANGED", 0)
    engine.catalogue.write([change(100)])
    with ThreadPoolExecutor(1) as pool:
        new = pool.submit(answer, engine)
        assert is_making.wait(30)
        assert answer(engine) == before
        may_end.set()
        assert new.result(30) == expected(engine) == answer(engine)


def test_no_index_answers_for_another_model(engine: Engine) -> None:
    answer(engine)
    held = engine.search.index._held
    assert held is not None
    engine.search.index._held = index_cache.Held(index=held.index, key=held.key, fresh_until=float("inf"), may_lag=True)
    engine.catalogue.set_model("b" * 12)
    engine.catalogue.write([change(seed, model_id="b" * 12) for seed in range(N_TRACKS)])
    assert engine.catalogue.finish_model_change()
    assert engine.search.index.current() is not held.index
    (file,) = files(engine.directory)
    assert file.name.startswith("index-bbbbbbbbbbbb-")


@pytest.mark.parametrize("moment", ["os.fsync", "Path.replace"])
def test_a_process_that_is_killed_while_it_saves_leaves_nothing_that_answers(
    directory: Path, keep_all: None, moment: str
) -> None:
    kill = (
        "import os, index.files\n"
        "from pathlib import Path\n"
        f"{moment} = lambda *_: os.kill(os.getpid(), 9)\n"
        "Engine.open(directory).similar(Engine.open(directory).tracks()[0].track_id)\n"
    )
    assert run(kill, directory) == -signal.SIGKILL
    (half,) = files(directory)
    assert half.name.startswith(".index-")
    os.utime(half, (0, 0))
    with Engine.open(directory) as engine:
        assert answer(engine) == expected(engine)
    (whole,) = files(directory)
    assert whole.name.startswith("index-")


def test_a_disk_that_takes_no_file_costs_no_answer(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VectorIndex, "save", full)
    assert answer(engine) == expected(engine)
    assert "index is not kept: [Errno 28] No space left on device" in caplog.text


def test_an_index_that_would_find_too_little_is_made_exact(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    build = VectorIndex.build

    def fail(track_ids: list[str], vectors: np.ndarray, **options: object) -> VectorIndex:
        if options.get("kind") != "exact":
            raise RecallError("index_recall must be at least 0.99, got 0.5")
        return build(track_ids, vectors, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(VectorIndex, "build", fail)
    monkeypatch.setattr(index_cache, "kind_for", lambda _: "inverted")
    assert answer(engine) == expected(engine)
    assert "got 0.5" in caplog.text
    assert engine.info().index_kind == "exact"


def test_a_fast_kind_is_kept_and_fills_strict_filters_too(
    tmp_path: Path, keep_all: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.vector_index.kind_for", lambda _: "inverted")
    monkeypatch.setattr(index_cache, "kind_for", lambda _: "inverted")
    with Engine.open(tmp_path) as engine:
        engine.catalogue.set_model(shipped_model_id())
        engine.catalogue.write([change(seed) for seed in range(3_000)])
        before = answer(engine)
    may_not_build(monkeypatch)
    with Engine.open(tmp_path) as engine:
        info = engine.info()
        assert info.index_kind == "inverted"
        assert info.index_recall is not None
        assert info.index_recall >= 0.99
        assert answer(engine) == before
        found = [title for title, _ in before[:10]]
        assert len(set(found) & {title for title, _ in expected(engine)[:10]}) >= 9
        song = engine.find("/music/0.mp3").track_id
        strict = engine.similar(song, 5, where=TrackFilter(year_from=2000))  # one track in fifty
        assert [each.track.tags.title for each in strict] == [
            title for title, _ in expected(engine) if int(title) % 50 == 0
        ][:5]


def test_threads_that_search_while_another_changes_the_catalogue_name_the_right_tracks(engine: Engine) -> None:
    song = change(0).vector

    def search(_: int) -> None:
        found = answer(engine)
        assert len({title for title, _ in found}) == len(found)
        for title, similarity in found:
            assert similarity == pytest.approx(float(song @ change(int(title)).vector), abs=1e-6)

    with ThreadPoolExecutor(4) as pool:
        searches = pool.map(search, range(40))
        for seed in range(100, 110):
            engine.catalogue.write([change(seed)])
            engine.remove(f"/music/{seed - 90}.mp3")
        assert list(searches) == [None] * 40
    assert answer(engine) == expected(engine)


def test_info_says_the_kind_the_recall_and_the_bytes(directory: Path) -> None:
    with Engine.open(directory) as engine:
        info = engine.info()
    assert (info.index_kind, info.index_recall) == ("exact", 1.0)
    assert info.index_bytes is not None
    assert info.index_bytes >= N_TRACKS * DIM * 4


def test_info_builds_no_large_index(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "kind_for", lambda _: "inverted")
    may_not_build(monkeypatch)
    assert engine.search.index.describe() is None


def test_the_stamp_is_another_after_every_change_of_a_vector_and_the_same_after_others(tmp_path: Path) -> None:
    with Catalogue(tmp_path) as catalogue, Catalogue(tmp_path) as other:
        seen = [catalogue.vectors_stamp]

        def is_new() -> bool:
            seen.append(other.vectors_stamp)
            return seen[-1] not in seen[:-1]

        ids = catalogue.write([change(1), change(2), change(3)])
        assert is_new()
        catalogue.write([change(1)])
        assert is_new()
        catalogue.write_genres([(ids[0], "Rock", 0.5)])
        catalogue.write([Moved(track_id=ids[0], path=Path("/music/moved.mp3"), file_size=1, mtime_ns=1)])
        assert not is_new()
        catalogue.write([Failed(path=Path("/music/2.mp3"), content_hash="x", file_size=2, mtime_ns=2, error="x")])
        assert is_new()
        catalogue.remove([ids[2]])  # its vector goes by a foreign key
        assert is_new()


def test_a_catalogue_from_before_the_stamp_gets_one(directory: Path) -> None:
    with Catalogue(directory) as catalogue:
        take_back(catalogue._connections.main, 2)
    with Engine.open(directory) as engine:
        stamp = engine.catalogue.vectors_stamp
        assert len(stamp) == 32
        engine.catalogue.write([change(70)])
        assert engine.catalogue.vectors_stamp != stamp
        assert answer(engine) == expected(engine)


def test_an_index_for_many_is_fast_kept_apart_and_follows_what_comes_and_goes(
    tmp_path: Path, keep_all: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine.open(tmp_path) as engine:
        engine.catalogue.set_model(shipped_model_id())
        engine.catalogue.write([change(seed) for seed in range(3_000)])
        engine.search.index.serve_many()
        assert engine.info().index_kind == "inverted"
        assert [path.name.endswith("-many.aidx") for path in tmp_path.glob("index-*.aidx")] == [True]
        held = engine.search.index.current()
        may_not_build(monkeypatch)
        track_id = engine.search.index.add(change(5_000))
        assert track_id in engine.search.index.current()
        engine.search.index.remove(track_id)
        assert track_id not in engine.search.index.current()
        assert engine.search.index.current() is held


def test_an_index_that_another_process_has_outdated_is_not_patched(engine: Engine, directory: Path) -> None:
    engine.search.index.current()
    with Engine.open(directory) as other:
        other.catalogue.write([change(200)])
    track_id = engine.search.index.add(change(201))
    index = engine.search.index.current()
    assert track_id in index
    assert len(index) == engine.catalogue.n_tracks("embedded")


def test_an_index_is_at_hand_while_another_thread_writes_to_the_catalogue(directory: Path) -> None:
    with Engine.open(directory) as engine, ThreadPoolExecutor(1) as other:
        index, is_there, may_end = engine.search.index, Event(), Event()
        before = answer(engine)

        def write() -> None:
            with engine.catalogue.transaction():
                engine.catalogue.write([change(200)])
                is_there.set()
                may_end.wait()

        writing = other.submit(write)
        is_there.wait()
        assert index.is_at_hand()
        assert answer(engine) == before
        may_end.set()
        writing.result()
        assert not index.is_at_hand()
        assert answer(engine) == expected(engine)
