"""A filter is asked once for each state of the catalogue, and never answers for another."""

from pathlib import Path

import pytest

from audio_engine import Catalogue, Engine, TrackFilter
from audio_engine.search import filter_cache
from tests.audio_engine.search.planted import change, clusters

GENRE, YEAR = TrackFilter(genre="rock"), TrackFilter(year_from=1990)


@pytest.fixture
def asked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[TrackFilter]:
    """Four tracks, two of them rock; and the filters that the catalogue was asked for."""
    vectors = clusters()
    engine.catalogue.write(
        [
            change(name, vectors[row], genre="Rock" if row % 2 else "Pop", year=1980 + row)
            for row, name in enumerate("abcd")
        ]
    )
    filters: list[TrackFilter] = []
    track_ids = Catalogue.track_ids
    monkeypatch.setattr(Catalogue, "track_ids", lambda self, where: filters.append(where) or track_ids(self, where))
    return filters


def found(engine: Engine, where: TrackFilter) -> set[str]:
    seed = engine.find("/music/a.mp3")
    return {each.track.path.stem for each in engine.similar(seed.track_id, 10, where=where)}


def test_a_filter_is_asked_once_until_anything_changes(
    engine: Engine, asked: list[TrackFilter], tmp_path: Path
) -> None:
    assert found(engine, GENRE) == found(engine, GENRE) == {"b", "d"}
    assert found(engine, YEAR) == set()
    assert found(engine, TrackFilter(genre="rock")) == {"b", "d"}
    assert asked == [GENRE, YEAR]
    with Catalogue(tmp_path / "catalogue") as other:
        other.write_genres([(engine.find("/music/c.mp3").track_id, "Rock", 0.9)])
    assert found(engine, GENRE) == {"b", "c", "d"}
    engine.remove("/music/d.mp3")
    assert found(engine, GENRE) == {"b", "c"}
    assert asked == [GENRE, YEAR, GENRE, GENRE]


def test_a_filter_is_at_hand_once_it_was_asked_until_anything_changes(engine: Engine, asked: list[TrackFilter]) -> None:
    assert not engine.search.is_at_hand()
    found(engine, YEAR)
    assert engine.search.is_at_hand()
    assert not engine.search.is_at_hand(GENRE)
    found(engine, GENRE)
    assert engine.search.is_at_hand(GENRE)
    engine.remove("/music/d.mp3")
    found(engine, YEAR)
    assert engine.search.is_at_hand()
    assert not engine.search.is_at_hand(GENRE)


def test_the_filters_that_were_asked_for_last_are_kept(
    engine: Engine, asked: list[TrackFilter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filter_cache, "MOST_IDS", 3)
    filters = [GENRE, TrackFilter(genre="pop"), GENRE, TrackFilter(genre="pop")]
    for where in filters:
        found(engine, where)
    assert asked == filters
