"""The catalogue keeps what was written, in atomic batches, through kills, renames and changes of model."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.schema import SCHEMA_VERSION, transaction
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import DIM, Embedded, Failed, Moved
from audio_engine.errors import CatalogueError, UnknownTrackError
from tests.paths import ROOT


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue(tmp_path) as opened:
        yield opened


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def embedded(path: str | Path, content: str = "a", *, model_id: str = "m1", seed: int = 0) -> Embedded:
    return Embedded(
        path=Path(path),
        content_hash=content,
        file_size=100,
        mtime_ns=1_700_000_000_123_456_789,
        tags=Tags(title="Title", artist="Artist", album="Album", genre="Genre", year=1999, duration_s=12.5),
        model_id=model_id,
        vector=unit(seed),
    )


def failed(path: str | Path, *, content: str | None = None, error: str = "no sound") -> Failed:
    return Failed(path=Path(path), content_hash=content, file_size=3, mtime_ns=4, error=error)


def test_a_track_comes_back_as_it_was_written(catalogue: Catalogue) -> None:
    change = embedded("/music/a.mp3")
    [track_id] = catalogue.write([change])
    track = catalogue.track(track_id)
    assert track is not None
    assert (track.path, track.tags, track.status, track.error) == (change.path, change.tags, "embedded", "")
    assert (track.content_hash, track.file_size, track.mtime_ns) == ("a", 100, change.mtime_ns)
    assert track.embedded_at.endswith("+00:00")
    assert catalogue.track_at(change.path) == track
    np.testing.assert_array_equal(catalogue.vector(track_id, "m1"), change.vector)


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    with Catalogue(tmp_path) as first:
        ids = first.write([embedded("/a", "a", seed=1), embedded("/b", "b", seed=2)])
        before = (first.tracks(), first.vectors("m1")[1].tobytes())
    with Catalogue(tmp_path) as second:
        assert (second.tracks(), second.vectors("m1")[1].tobytes()) == before
        assert {track.track_id for track in second.tracks()} == set(ids)


def test_what_is_unknown_is_none(catalogue: Catalogue) -> None:
    assert catalogue.track("none") is None
    assert catalogue.track_at(Path("/none")) is None
    assert catalogue.vector("none", "m1") is None
    assert catalogue.vector_of_content("none", "m1") is None
    assert catalogue.vectors("m1")[0] == []
    assert catalogue.vectors("m1")[1].shape == (0, DIM)


@settings(deadline=None, max_examples=40)  # each opens a file of its own
@given(name=st.binary(min_size=1, max_size=40).filter(lambda name: not set(name) & set(b"\0/")))
def test_any_name_that_a_file_can_have_comes_back(name: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = Path(os.fsdecode(b"/music/" + name))
    with Catalogue(tmp_path_factory.mktemp("names")) as catalogue:
        catalogue.write([embedded(path)])
        assert list(catalogue.files.all()) == [path]
        assert catalogue.track_at(path) is not None


def test_a_known_path_keeps_its_id_when_its_content_changes(catalogue: Catalogue) -> None:
    [before] = catalogue.write([embedded("/a", "old", seed=1)])
    [after] = catalogue.write([embedded("/a", "new", seed=2)])
    assert before == after
    np.testing.assert_array_equal(catalogue.vector(after, "m1"), unit(2))
    assert len(catalogue.tracks()) == 1


def test_changed_content_drops_the_vectors_of_other_models(catalogue: Catalogue) -> None:
    [track_id] = catalogue.write([embedded("/a", "old", model_id="m1")])
    catalogue.write([embedded("/a", "new", model_id="m2")])
    assert catalogue.files.all()[Path("/a")].model_ids == {"m2"}
    assert catalogue.vector(track_id, "m1") is None


def test_an_id_is_made_of_the_content_and_copies_differ(catalogue: Catalogue, tmp_path: Path) -> None:
    first, copy, other = catalogue.write([embedded("/a", "x"), embedded("/b", "x"), embedded("/c", "y")])
    assert len({first, copy, other}) == 3
    assert all(len(track_id) == 12 and int(track_id, 16) >= 0 for track_id in (first, copy, other))
    with Catalogue(tmp_path / "elsewhere") as elsewhere:
        assert elsewhere.write([embedded("/somewhere/else", "x")]) == [first]


def test_a_file_that_fails_loses_its_vectors_and_keeps_its_tags(catalogue: Catalogue) -> None:
    [track_id] = catalogue.write([embedded("/a")])
    assert catalogue.write([failed("/a", error="cut\nshort\0 \udcff")]) == [track_id]
    [track] = catalogue.tracks("failed")
    assert (track.tags.title, track.error) == ("Title", "cut short ?")
    assert catalogue.vector(track_id, "m1") is None
    assert catalogue.tracks("embedded") == []


def test_a_failed_file_that_is_mended_is_embedded(catalogue: Catalogue) -> None:
    [track_id] = catalogue.write([failed("/a")])
    assert catalogue.write([embedded("/a")]) == [track_id]
    [track] = catalogue.tracks()
    assert (track.status, track.error) == ("embedded", "")


def test_the_counts_are_those_of_the_lists(catalogue: Catalogue) -> None:
    catalogue.write([embedded("/a", "a"), embedded("/b", "b"), failed("/c")])
    assert (catalogue.n_tracks("embedded"), catalogue.n_tracks("failed")) == (2, 1)
    assert (catalogue.n_pending("m1"), catalogue.n_pending("m2")) == (0, 2)


def test_a_moved_track_keeps_id_and_vector(catalogue: Catalogue) -> None:
    [track_id] = catalogue.write([embedded("/old", seed=3)])
    catalogue.write([Moved(track_id=track_id, path=Path("/new"), file_size=100, mtime_ns=9)])
    assert [(track.path, track.mtime_ns) for track in catalogue.tracks()] == [(Path("/new"), 9)]
    np.testing.assert_array_equal(catalogue.vector(track_id, "m1"), unit(3))


def test_a_chain_of_renames_in_one_batch_loses_no_track(catalogue: Catalogue) -> None:
    ids = catalogue.write([embedded(f"/{n}", str(n), seed=n) for n in (1, 2, 3)])
    moves = [Moved(track_id=ids[n - 1], path=Path(f"/{n + 1}"), file_size=1, mtime_ns=1) for n in (1, 2, 3)]
    catalogue.write(moves)
    assert {track.path: track.track_id for track in catalogue.tracks()} == {
        Path("/2"): ids[0],
        Path("/3"): ids[1],
        Path("/4"): ids[2],
    }


def test_a_moved_track_takes_the_place_of_what_lay_there(catalogue: Catalogue) -> None:
    moved, replaced = catalogue.write([embedded("/a", "a"), failed("/b")])
    catalogue.write([Moved(track_id=moved, path=Path("/b"), file_size=1, mtime_ns=1)])
    assert [track.track_id for track in catalogue.tracks()] == [moved]
    assert catalogue.track(replaced) is None


def test_a_batch_is_written_whole_or_not_at_all(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownTrackError, match="must be in the catalogue, got 'nobody'"):
        catalogue.write([embedded("/a"), Moved(track_id="nobody", path=Path("/b"), file_size=1, mtime_ns=1)])
    assert catalogue.tracks() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (embedded("a.mp3"), "path must be absolute, got 'a.mp3'"),
        (replace(embedded("/a"), vector=unit(0)[:39]), r"vector must have shape \(40,\), got \(39,\)"),
        (replace(embedded("/a"), vector=2 * unit(0)), "vector must have unit length, got 2"),
        (replace(embedded("/a"), vector=np.full(DIM, np.nan, np.float32)), "vector must have unit length, got nan"),
    ],
)
def test_what_would_spoil_the_catalogue_is_refused(catalogue: Catalogue, change: Embedded, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        catalogue.write([change])


def test_a_removed_track_leaves_no_vector_and_comes_back_under_its_id(catalogue: Catalogue) -> None:
    [track_id] = catalogue.write([embedded("/a")])
    assert catalogue.remove([track_id, "nobody"]) == 1
    assert catalogue.remove([]) == 0
    assert catalogue.vectors("m1")[0] == []
    assert catalogue.write([embedded("/a")]) == [track_id]


def test_the_vector_of_a_copy_is_found_by_its_content(catalogue: Catalogue) -> None:
    catalogue.write([embedded("/a", "x", seed=5)])
    found = catalogue.vector_of_content("x", "m1")
    assert found is not None
    np.testing.assert_array_equal(found[0], unit(5))
    assert found[1].artist == "Artist"
    assert catalogue.vector_of_content("x", "m2") is None


def test_vectors_come_in_the_order_of_their_ids(catalogue: Catalogue) -> None:
    changes = [embedded(f"/{n}", str(n), seed=n) for n in range(20)]
    seed_of = dict(zip(catalogue.write(changes), range(20), strict=True))
    ids, vectors = catalogue.vectors("m1")
    assert ids == sorted(seed_of)
    np.testing.assert_array_equal(vectors, np.stack([unit(seed_of[track_id]) for track_id in ids]))


def test_the_first_model_answers_at_once(catalogue: Catalogue) -> None:
    assert (catalogue.model_id, catalogue.target_model_id) == (None, None)
    catalogue.set_model("m1")
    assert (catalogue.model_id, catalogue.target_model_id) == ("m1", None)
    assert not catalogue.finish_model_change()


def test_the_old_model_answers_until_every_track_has_a_new_vector(catalogue: Catalogue) -> None:
    catalogue.set_model("m1")
    catalogue.write([embedded("/a", "a"), embedded("/b", "b"), failed("/c")])
    catalogue.set_model("m2")
    catalogue.write([embedded("/a", "a", model_id="m2", seed=1)])
    assert not catalogue.finish_model_change()
    assert (catalogue.model_id, catalogue.target_model_id) == ("m1", "m2")
    assert catalogue.files.all()[Path("/a")].model_ids == {"m1", "m2"}
    assert len(catalogue.vectors("m1")[0]) == 2

    catalogue.write([embedded("/b", "b", model_id="m2", seed=2)])
    assert catalogue.finish_model_change()
    assert (catalogue.model_id, catalogue.target_model_id) == ("m2", None)
    assert catalogue.files.all()[Path("/a")].model_ids == {"m2"}
    assert catalogue.vectors("m1")[0] == []


def test_a_change_of_model_can_be_called_off(catalogue: Catalogue) -> None:
    catalogue.set_model("m1")
    catalogue.set_model("m2")
    catalogue.set_model("m1")
    assert (catalogue.model_id, catalogue.target_model_id) == ("m1", None)


def test_an_empty_catalogue_changes_its_model_at_once(catalogue: Catalogue) -> None:
    catalogue.set_model("m1")
    catalogue.set_model("m2")
    assert catalogue.finish_model_change()
    assert catalogue.model_id == "m2"


def test_threads_write_and_read_at_once(catalogue: Catalogue) -> None:
    def work(n: int) -> None:
        for m in range(10):
            catalogue.write([embedded(f"/{n}/{m}", f"{n}-{m}")])
            catalogue.files.all()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(catalogue.tracks()) == 80


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from tests.audio_engine.catalogue.test_catalogue import Catalogue, embedded
    directory, name, n_batches = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with Catalogue(directory) as catalogue:
        for batch in range(n_batches):
            catalogue.write([embedded(f"/{name}/{batch}/{n}", f"{name} {batch} {n}") for n in range(5)])
            print(batch, flush=True)
    """
)


def start_writer(directory: Path, name: str, n_batches: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(directory), name, str(n_batches)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_make_and_write_one_catalogue_at_once(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, name, 8) for name in "abc"]
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    with Catalogue(tmp_path) as catalogue:
        assert len(catalogue.tracks()) == 3 * 8 * 5


def test_a_killed_writer_leaves_every_batch_that_it_had_written_and_no_half_batch(tmp_path: Path) -> None:
    for n in range(3):
        writer = start_writer(tmp_path, str(n), 10_000)
        assert writer.stdout is not None
        predicted = [writer.stdout.readline() for _ in range(3)]
        time.sleep(0.005 * n)
        os.kill(writer.pid, signal.SIGKILL)
        n_batches = len(predicted) + len(writer.communicate()[0].split())
        with Catalogue(tmp_path) as catalogue:
            kept = [track.path.parts[2] for track in catalogue.tracks() if track.path.parts[1] == str(n)]
        assert len(kept) == 5 * len(set(kept))
        assert n_batches <= len(set(kept)) <= n_batches + 1


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_text(
        "this is a letter, and long enough to be read as the head of a file " * 99
    )
    with pytest.raises(
        CatalogueError, match=r"catalogue '.*catalogue.sqlite' is damaged or is not a catalogue: file is"
    ):
        Catalogue(tmp_path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_named(tmp_path: Path, kept: float) -> None:
    with Catalogue(tmp_path) as catalogue:
        catalogue.write([embedded(f"/{n}", str(n)) for n in range(500)])
    file = tmp_path / "catalogue.sqlite"
    os.truncate(file, int(file.stat().st_size * kept))

    def use() -> None:
        with Catalogue(tmp_path) as damaged:
            damaged.vectors("m1")

    with pytest.raises(CatalogueError, match=r"catalogue '.*catalogue.sqlite' is damaged"):
        use()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE recipes (dish TEXT)")
    other.close()
    before = file.read_bytes()
    with pytest.raises(CatalogueError, match="must be made by audio-engine, got another program's SQLite file"):
        Catalogue(tmp_path)
    assert file.read_bytes() == before


def test_a_newer_catalogue_says_how_to_mend_it(tmp_path: Path) -> None:
    with Catalogue(tmp_path) as catalogue:
        catalogue._connections.main.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(CatalogueError, match=r"newer audio-engine wrote it \(pip install --upgrade"):
        Catalogue(tmp_path)


def test_a_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for create in (True, False):
        with pytest.raises(NotADirectoryError, match=r"a catalogue must be in a folder: '.*/file'"):
            Catalogue(tmp_path / "file", create=create)


def test_one_that_is_not_to_be_created_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no catalogue is there yet: audio-engine embed FOLDER"):
        Catalogue(tmp_path / "new", create=False)
    assert list(tmp_path.iterdir()) == []
    Catalogue(tmp_path / "new").close()
    Catalogue(tmp_path / "new", create=False).close()


def test_a_hundred_thousand_known_files_are_listed_in_seconds(catalogue: Catalogue) -> None:
    names = [f"/music/artist {n // 100}/track {n}.mp3".encode() for n in range(100_000)]
    with transaction(catalogue._connections.main):
        catalogue._connections.main.executemany(
            "INSERT INTO tracks (track_id, path, file_size, mtime_ns, status) VALUES (?, ?, 1, 1, 'embedded')",
            ((f"{n:012x}", name) for n, name in enumerate(names)),
        )
    start_s = time.process_time()
    assert len(catalogue.files.all()) == len(names)
    assert time.process_time() - start_s < 5.0  # half a second on an idle machine of 2020
