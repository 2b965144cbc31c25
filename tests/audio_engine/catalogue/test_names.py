"""Names are found as by comparing all of them: after every change, by any process, with FTS5 or without."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_engine import Catalogue, Tags
from audio_engine.catalogue import names
from audio_engine.catalogue.names import rank_of, words_of
from audio_engine.catalogue.track import DIM, Embedded, Failed, Moved
from audio_engine.search.text_search import TextSearch
from tests.paths import ROOT

WORDS = ["a", "ab", "abc", "cab", "Ábc", "x", "of", "miles", "mile", "(live)", '"no"', "ß", "日本語", "%", "_", "a*"]
SOME_WORDS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
VECTOR = np.eye(1, DIM, dtype=np.float32)[0]


def embedded(number: int, title: str, *, artist: str = "") -> Embedded:
    return Embedded(
        path=Path(f"/music/{number:03}.mp3"),
        content_hash=f"content {number}",
        file_size=1,
        mtime_ns=1,
        tags=Tags(title=title, artist=artist),
        model_id="m",
        vector=VECTOR,
    )


def twin(catalogue: Catalogue, text: str) -> list[str]:
    """Compare all names, in plain Python."""
    words = words_of(text)
    hits = [hit for hit in catalogue.names.all() if all(word in hit[1] for word in words)]
    return [track_id for track_id, _ in sorted(hits, key=lambda hit: rank_of(hit[1], words))]


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    with Catalogue(tmp_path) as catalogue:
        if not names.can_index(catalogue._connections.main):
            pytest.skip("this Python's SQLite has no FTS5")
        yield catalogue


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(titles=st.lists(SOME_WORDS, min_size=1, max_size=12), text=SOME_WORDS, k=st.integers(1, 12))
def test_words_find_what_a_comparison_of_all_names_finds(
    titles: list[str], text: str, k: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Catalogue(tmp_path_factory.mktemp("named")) as catalogue:
        catalogue.write([embedded(number, title) for number, title in enumerate(titles)])
        search, expected = TextSearch(catalogue), twin(catalogue, text)
        assert catalogue.names.bring_up() == names.can_index(catalogue._connections.main)
        assert search.ranked(words_of(text), k) == expected[:k]
        page, n_tracks = search.page(words_of(text), limit=k, offset=1)
        assert n_tracks == len(expected)
        by_path = sorted(expected, key=lambda track_id: catalogue.track(track_id).path)
        assert page == by_path[1 : 1 + k]


def test_of_more_than_are_ranked_those_with_whole_words_come_first(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "N_RANKED", 5)
    titles = [*["stormy weather"] * 20, *["storms of may"] * 20, "may storm", "storm of may", "brainstorm may"]
    catalogue.write([embedded(number, title) for number, title in enumerate(titles)])
    ids = catalogue.names.ranked(["storm"], 3)
    found = [catalogue.track(track_id).tags.title for track_id in ids]
    assert (found[:2], found[2]) == (["may storm", "storm of may"], "stormy weather")
    [best, *_] = catalogue.names.ranked(["storm", "of", "may"], 4)
    assert catalogue.track(best).tags.title == "storm of may"


@pytest.mark.parametrize("text", ["\0", "abc\0", "\ud800bc", '"', "'", "abc OR", "line:abc", "NEAR(a b)", "abc*"])
def test_what_is_no_word_of_a_name_finds_nothing_and_harms_nothing(catalogue: Catalogue, text: str) -> None:
    catalogue.write([embedded(1, "abcd")])
    assert TextSearch(catalogue).ranked(words_of(text) or [text], 5) == []


def test_names_follow_every_change_by_whatever_wrote_it(catalogue: Catalogue) -> None:
    def found(word: str) -> list[str]:
        assert catalogue.names.bring_up()
        return catalogue.names.ranked([word], 10)

    [one, two] = catalogue.write([embedded(1, "first"), embedded(2, "second")])
    assert (found("first"), found("second")) == ([one], [two])
    catalogue.write([embedded(1, "another")])
    catalogue.write([Moved(track_id=two, path=Path("/elsewhere/2.mp3"), file_size=1, mtime_ns=1)])
    assert (found("first"), found("another"), found("elsewhere")) == ([], [one], [two])
    catalogue.write([Failed(path=Path("/music/001.mp3"), content_hash="x", file_size=1, mtime_ns=1, error="cut")])
    assert found("another") == []
    with sqlite3.connect(catalogue.path) as other:  # a program without our indexing
        other.execute("UPDATE tracks SET title = 'renamed' WHERE track_id = ?", (two,))
    other.close()
    assert (found("renamed"), found("second")) == ([two], [])
    catalogue.remove([two])
    assert found("mp3") == []


def test_without_fts5_every_name_is_compared(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    [kept] = catalogue.write([embedded(1, "indexed")])
    monkeypatch.setattr(names, "can_index", lambda _: False)
    [late] = catalogue.write([embedded(2, "not indexed")])
    assert not catalogue.names.bring_up()
    assert TextSearch(catalogue).ranked(["indexed"], 5) == [kept, late]
    assert TextSearch(catalogue).page(["not"], limit=5, offset=0) == ([late], 1)
    monkeypatch.undo()
    assert TextSearch(catalogue).ranked(["indexed"], 5) == [kept, late]
    assert catalogue.names.bring_up()


def test_indexing_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    with Catalogue(tmp_path) as catalogue:
        ids = catalogue.write([embedded(number, f"title {number}") for number in range(50)])
        catalogue._connections.main.execute("INSERT INTO names_due SELECT track_id FROM tracks")
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from audio_engine.catalogue import names\nfrom audio_engine import Catalogue\n"
        "names.AT_A_TIME = 10\nindex_one, done = names._index_one, []\n"
        "def index_or_die(database, track_id):\n"
        "    index_one(database, track_id)\n    done.append(track_id)\n"
        "    len(done) < 25 or os.kill(os.getpid(), 9)\n"
        "names._index_one = index_or_die\n"
        "Catalogue(Path(sys.argv[1])).names.bring_up()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=False)
    assert ran.returncode == -signal.SIGKILL
    with Catalogue(tmp_path) as catalogue:
        n_due = catalogue._connections.main.execute("SELECT count(*) FROM names_due").fetchone()[0]
        assert n_due == 30
        assert sorted(TextSearch(catalogue).ranked(["title"], 100)) == sorted(ids)
        catalogue._connections.main.execute("INSERT INTO name_letters (name_letters) VALUES ('integrity-check')")
