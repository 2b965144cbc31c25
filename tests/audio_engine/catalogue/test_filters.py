"""Track filters: the SQL against a slow twin in Python, and filtered results that are still full length."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_engine import Catalogue, Engine, Tags, Track, TrackFilter
from audio_engine.catalogue.tag_text import genre_key, genre_names, normalised
from audio_engine.catalogue.track import DIM, Embedded, Failed
from audio_engine.embedding.models import shipped_model_id

GENRES = ["", "Trip-Hop; Electronic", "electronic", "Rock", "Other", "Unknown", "R&B/Soul"]
ARTISTS = ["", "Ann", "ANN ", "Bob", "Ｂob", "Cy; Ann", "Bob; Cy", "Ann & Bob", "Cy"]
YEARS = [None, 1969, 1990, 2001]
LENGTHS_S = [None, 30.0, 180.0, 600.5]
FOLDERS = ["/music", "/music/ann", "/music/ann 2", "/music/annex/deep", os.fsdecode(b"/music/caf\xe9")]
N_TRACKS = 300


def names(tag: str) -> set[str]:
    return {normalised(name) for name in tag.split("; ")} - {""}


def unit_vectors(n: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embedded(path: Path, vector: np.ndarray, **tags: object) -> Embedded:
    return Embedded(
        path=path,
        content_hash=str(path.as_posix().encode("utf-8", "surrogateescape")),
        file_size=1,
        mtime_ns=1,
        tags=Tags(**tags),  # type: ignore[arg-type]
        model_id=shipped_model_id(),
        vector=vector,
    )


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    rng = np.random.default_rng(0)

    def one_of(values: list) -> object:
        return values[rng.integers(len(values))]

    with Engine.open(tmp_path_factory.mktemp("filtered")) as engine:
        changes = [
            embedded(
                Path(str(one_of(FOLDERS))) / f"{number}.mp3",
                vector,
                title=f"title {number}",
                genre=one_of(GENRES),
                artist=one_of(ARTISTS),
                year=one_of(YEARS),
                duration_s=one_of(LENGTHS_S),
            )
            for number, vector in enumerate(unit_vectors(N_TRACKS))
        ]
        engine.catalogue.set_model(shipped_model_id())
        ids = engine.catalogue.write(changes)
        engine.catalogue.write_genres(
            [(each, ("Rock", "unknown", "Soul")[n % 3], 0.5) for n, each in enumerate(ids) if n % 2]
        )
        engine.catalogue.write(
            [Failed(path=Path("/music/bad.mp3"), content_hash="x", file_size=1, mtime_ns=1, error="x")]
        )
        yield engine


def lets_through(where: TrackFilter, track: Track) -> bool:
    """The slow twin."""
    tags = track.tags
    key = genre_key(where.genre or "")
    named = [genre_key(name) for name in genre_names(tags.genre)]
    return (
        (
            where.genre is None
            or key in named
            or (track.genre_predicted != "" and key == genre_key(track.genre_predicted))
        )
        and (where.not_artist is None or names(tags.artist).isdisjoint(names(where.not_artist)))
        and (where.year_from is None or (tags.year is not None and tags.year >= where.year_from))
        and (where.year_to is None or (tags.year is not None and tags.year <= where.year_to))
        and (where.min_duration_s is None or (tags.duration_s is not None and tags.duration_s >= where.min_duration_s))
        and (where.max_duration_s is None or (tags.duration_s is not None and tags.duration_s <= where.max_duration_s))
        and (where.folder is None or Path(where.folder) in track.path.parents)
    )


def test_genres_are_counted_as_the_filter_counts_them(engine: Engine) -> None:
    counts = engine.catalogue.genre_counts()
    assert sorted(map(genre_key, counts)) == ["electronic", "rbsoul", "rock", "soul", "triphop"]
    assert counts == {name: len(engine.catalogue.track_ids(TrackFilter(genre=name))) for name in counts}


def maybe(*values: object) -> st.SearchStrategy:
    return st.none() | st.sampled_from(values)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.builds(
        TrackFilter,
        genre=maybe("hip hop", "ELECTRONIC", "rock", "unknown", "Other", "trip hop", "r&b / soul"),
        not_artist=maybe("ann", " BOB", "nobody", "ann & bob", "Nobody; Cy"),
        year_from=maybe(1969, 1990),
        year_to=maybe(1990, 2001, 2050),
        min_duration_s=maybe(0, 30.0, 180),
        max_duration_s=maybe(180.0, 600.5, 1e9),
        folder=maybe(*FOLDERS, "/", "/music/an", Path("/music/annex")),
    )
)
def test_the_catalogue_lets_through_what_the_words_say(engine: Engine, where: TrackFilter) -> None:
    expected = {track.track_id for track in engine.tracks() if lets_through(where, track)}
    found = engine.catalogue.track_ids(where)
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_a_strict_filter_fills_the_answer_from_far_away(engine: Engine) -> None:
    where = TrackFilter(genre="rock", year_from=1990, folder="/music/ann 2")
    song = engine.tracks()[0]
    fitting = {track.track_id for track in engine.tracks() if lets_through(where, track)} - {song.track_id}
    assert 4 < len(fitting) < 20
    answer = engine.similar(song.track_id, 5, where=where)
    vectors = {each: float(engine.vector(each) @ engine.vector(song.track_id)) for each in fitting}
    assert [each.track.track_id for each in answer] == sorted(fitting, key=lambda each: -vectors[each])[:5]
    assert len(engine.similar(song.track_id, 50, where=where)) == len(fitting)


def test_an_artist_cap_and_a_filter_go_together(engine: Engine) -> None:
    where = TrackFilter(year_from=1990)
    answer = engine.similar(engine.tracks()[0].track_id, 3, where=where, max_per_artist=1, not_same_artist=True)
    artists = [normalised(each.track.tags.artist) for each in answer]
    assert len(answer) == 3
    assert all((each.track.tags.year or 0) >= 1990 for each in answer)
    assert len({each for each in artists if each}) == len([each for each in artists if each])


def test_a_filter_that_nothing_passes_is_an_empty_answer(engine: Engine) -> None:
    assert engine.similar(engine.tracks()[0].track_id, where=TrackFilter(year_from=3000)) == []


def test_a_filter_that_asks_nothing_changes_nothing(engine: Engine) -> None:
    song = engine.tracks()[0].track_id
    assert engine.similar(song, where=TrackFilter()) == engine.similar(song)


def test_a_folder_is_named_as_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Catalogue(tmp_path / "catalogue") as catalogue:
        (track_id,) = catalogue.write([embedded(tmp_path / "music" / "a.mp3", unit_vectors(1)[0])])
        monkeypatch.chdir(tmp_path)
        for folder in ("music", "music/", "./music/../music", tmp_path):
            assert catalogue.track_ids(TrackFilter(folder=folder)) == [track_id]
        assert catalogue.track_ids(TrackFilter(folder="mus")) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"year_from": 2000, "year_to": 1990}, r"year_from must be at most year_to \(1990\), got 2000"),
        (
            {"min_duration_s": 200, "max_duration_s": 100},
            r"min_duration_s must be at most max_duration_s \(100\), got 200",
        ),
        ({"max_duration_s": -1.0}, "max_duration_s must be at least 0, got -1"),
        ({"min_duration_s": float("nan")}, "min_duration_s must be at least 0, got nan"),
        ({"genre": " - "}, "genre must have letters"),
        ({"not_artist": " "}, "not_artist must be a name"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TrackFilter(**asked)
