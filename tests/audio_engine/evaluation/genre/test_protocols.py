from pathlib import Path

import numpy as np
import pytest

from audio_engine.evaluation.genre.choices import Protocol
from audio_engine.evaluation.genre.dataset import GenreDataset, GenreTrack, Part
from audio_engine.evaluation.genre.protocols import artist_groups, split, warnings_of


def dataset(rows):
    """Make tracks of (genre, artist) or (genre, artist, part)."""
    tracks = (
        GenreTrack(path=Path(f"{number}.wav"), genres=(genre,), artist=artist, parts=tuple(parts))
        for number, (genre, artist, *parts) in enumerate(rows)
    )
    return GenreDataset(name="made", tracks=tuple(tracks))


@pytest.fixture
def many():
    rng = np.random.default_rng(0)
    artists = [(f"artist {number}", "abc"[number % 3]) for number in range(24)]
    return dataset([(genre, artist) for artist, genre in artists for _ in range(rng.integers(1, 7))])


def test_the_artist_filter_keeps_every_artist_on_one_side_and_asks_every_track_once(many):
    folds = split(many, Protocol.ARTIST_FILTERED, seed=0)
    artists = np.array([track.artist for track in many.tracks])
    assert len(folds) == 3
    for fold in folds:
        assert not set(artists[fold.train]) & set(artists[fold.test])
        assert sorted([*fold.train, *fold.test]) == list(range(len(many.tracks)))
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(many.tracks)))
    assert warnings_of(many, Protocol.ARTIST_FILTERED, folds) == []


def test_the_artist_filter_keeps_the_shares_of_genres_about_even(many):
    genres = np.array([track.genres[0] for track in many.tracks])
    shares = [
        [np.mean(genres[fold.test] == genre) for genre in many.genres]
        for fold in split(many, Protocol.ARTIST_FILTERED, seed=0)
    ]
    assert np.ptp(shares, axis=0).max() < 0.2


def test_a_plain_split_has_artists_on_both_sides_and_says_so(many):
    folds = split(many, Protocol.PLAIN, seed=0)
    artists = np.array([track.artist for track in many.tracks])
    assert any(set(artists[fold.train]) & set(artists[fold.test]) for fold in folds)
    assert "NO ARTIST FILTER" in warnings_of(many, Protocol.PLAIN, folds)[0]


def test_without_artists_the_result_says_loudly_that_nothing_was_filtered():
    unknown = dataset([(genre, None) for genre in "aaabbb"])
    folds = split(unknown, Protocol.ARTIST_FILTERED, seed=0)
    assert warnings_of(unknown, Protocol.ARTIST_FILTERED, folds)[0].startswith("NO ARTIST IS KNOWN")
    assert len(set(artist_groups(unknown, Protocol.ARTIST_FILTERED))) == 6


def test_a_few_unknown_artists_are_counted():
    some = dataset([("a", None), *[("a", f"x{n}") for n in range(5)], *[("b", f"y{n}") for n in range(5)]])
    notes = warnings_of(some, Protocol.ARTIST_FILTERED, split(some, Protocol.ARTIST_FILTERED, seed=0))
    assert notes == ["The artist of 1 of 11 tracks is unknown: each counts as its own."]


def test_a_genre_of_one_artist_cannot_be_learned_and_the_result_says_so():
    lone = dataset([*[("a", "only one")] * 4, *[("b", f"y{n}") for n in range(6)]])
    notes = warnings_of(lone, Protocol.ARTIST_FILTERED, split(lone, Protocol.ARTIST_FILTERED, seed=0))
    assert any("nothing of a can be learned" in note for note in notes)


def test_official_parts_become_folds_and_what_is_left_out_is_in_none():
    parts = [Part.TRAIN, Part.VALID, Part.TEST, Part.LEFT_OUT, Part.TRAIN, Part.TEST]
    (fold,) = split(dataset([("ab"[n % 2], None, part) for n, part in enumerate(parts)]), Protocol.OFFICIAL, seed=0)
    assert fold.train.tolist() == [0, 4]
    assert fold.valid.tolist() == [1]
    assert fold.test.tolist() == [2, 5]


def test_the_official_protocol_needs_official_splits(many):
    with pytest.raises(ValueError, match="made has no official splits"):
        split(many, Protocol.OFFICIAL, seed=0)
    untested = dataset([("a", None, Part.TRAIN), ("b", None, Part.TRAIN)])
    with pytest.raises(ValueError, match="must have training and test tracks, got 2 and 0"):
        split(untested, Protocol.OFFICIAL, seed=0)


def test_a_genre_with_fewer_tracks_than_folds_is_refused():
    with pytest.raises(ValueError, match="at least 3 tracks, got 2 of b"):
        split(dataset([("a", "x"), ("a", "y"), ("a", "z"), ("b", "u"), ("b", "v")]), Protocol.PLAIN, seed=0)
