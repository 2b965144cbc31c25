"""Threads read at the same time, and while another writes; a transaction reads what it has written."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest

from audio_engine import Catalogue
from tests.made_catalogue import write_catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    with Catalogue(write_catalogue(tmp_path, Path("/music"))) as catalogue:
        yield catalogue


def test_many_threads_are_in_a_query_at_once(catalogue: Catalogue) -> None:
    n_threads = 4
    all_are_in = Barrier(n_threads)

    def read(_: int) -> int:
        with catalogue._connections.reading() as database:
            all_are_in.wait(30)
            return int(database.execute("SELECT count(*) FROM tracks").fetchone()[0])

    with ThreadPoolExecutor(n_threads) as threads:
        assert list(threads.map(read, range(n_threads))) == [18] * n_threads
        assert list(threads.map(read, range(n_threads))) == [18] * n_threads
    assert len(catalogue._connections._idle) == n_threads  # and they are used again


def test_who_reads_sees_a_transaction_once_it_is_committed_and_who_writes_at_once(catalogue: Catalogue) -> None:
    has_written, may_end = Event(), Event()
    track = catalogue.tracks()[0]
    moment, stamp = catalogue.moment, catalogue.vectors_stamp

    def write() -> None:
        with catalogue.transaction():
            catalogue.remove([track.track_id])
            assert catalogue.track(track.track_id) is None
            assert catalogue.vectors_stamp != stamp
            has_written.set()
            may_end.wait(30)

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        assert has_written.wait(30)
        assert catalogue.track(track.track_id) == track
        assert (catalogue.moment, catalogue.vectors_stamp) == (moment, stamp)
        may_end.set()
        writing.result()
    assert catalogue.track(track.track_id) is None
    assert catalogue.moment != moment
    assert catalogue.vectors_stamp != stamp


def test_in_a_block_of_one_moment_no_change_is_asked_for(catalogue: Catalogue) -> None:
    moment, stamp = catalogue.moment, catalogue.vectors_stamp
    with Catalogue(catalogue.path.parent) as other, catalogue.at_one_moment(), catalogue.at_one_moment():
        other.remove([catalogue.tracks()[0].track_id])
        assert (catalogue.moment, catalogue.vectors_stamp) == (moment, stamp)
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(lambda: catalogue.moment).result() != moment
    assert catalogue.moment != moment
    assert catalogue.vectors_stamp != stamp


def test_a_transaction_that_fails_leaves_what_was(catalogue: Catalogue) -> None:
    track = catalogue.tracks()[0]
    stamp = catalogue.vectors_stamp
    with pytest.raises(RuntimeError, match="no more"), catalogue.transaction():
        catalogue.remove([track.track_id])
        raise RuntimeError("no more")
    assert catalogue.track(track.track_id) == track
    assert catalogue.vectors_stamp == stamp


def test_what_is_closed_leaves_one_file_and_answers_nothing(catalogue: Catalogue) -> None:
    catalogue.tracks()
    _ = catalogue.moment
    catalogue.close()
    catalogue.close()
    assert [path.name for path in catalogue.path.parent.glob("catalogue.sqlite*")] == ["catalogue.sqlite"]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        catalogue.tracks()
