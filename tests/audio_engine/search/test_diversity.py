"""Diverse lists: both methods against slow twins, how alike tracks are, and what the dial does at its ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_engine.catalogue.tags import Tags
from audio_engine.metrics.lists import diversity
from audio_engine.search.diversity import ARTIST_SHARE, GENRE_SHARE, OWN, Likeness, rerank
from tests.audio_engine.search.planted import clusters
from tests.audio_engine.search.test_steering import a_track


def a_pool(seed, n=12, dim=5):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, dim))
    artists = [[{"a"}, {"b"}, {"a", "c"}, set()][row] for row in rng.integers(0, 4, n)]
    genres = [["rock", "folk", ""][row] for row in rng.integers(0, 3, n)]
    return Likeness(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), artists, genres), rng.random(n)


def table_of(likeness, n):
    return np.stack([likeness.row(row) for row in range(n)])


@given(seed=st.integers(0, 1_000), share=st.floats(0.05, 0.95), k=st.integers(1, 12))
def test_the_fast_determinant_chooses_as_the_determinants_do(seed, share, k):
    likeness, relevance = a_pool(seed)
    alike = (1 - OWN) * table_of(likeness, len(relevance)) + OWN * np.eye(len(relevance))
    quality = np.exp(relevance * (1 - share) / (2 * share))
    kernel = quality[:, np.newaxis] * alike * quality
    rows = rerank(relevance, likeness.row, k=k, diversity=share, method="dpp")
    for place, row in enumerate(rows):  # the slow twin: a determinant for each candidate
        others = [other for other in range(len(relevance)) if other not in rows[:place]]
        sets = [[*rows[:place], other] for other in others]
        volumes = [np.linalg.slogdet(kernel[np.ix_(each, each)])[1] for each in sets]
        assert volumes[others.index(row)] == pytest.approx(max(volumes), abs=1e-6)


@given(seed=st.integers(0, 1_000), share=st.floats(0, 1), k=st.integers(1, 12))
def test_marginal_relevance_is_the_formula_of_the_paper(seed, share, k):
    likeness, relevance = a_pool(seed)
    alike, rows = table_of(likeness, len(relevance)), []
    for _ in range(k):
        left = [row for row in range(len(relevance)) if row not in rows]
        gain = {row: (1 - share) * relevance[row] - share * max(alike[row, rows], default=0) for row in left}
        rows.append(max(left, key=lambda row: gain[row] if rows else relevance[row]))
    assert rerank(relevance, likeness.row, k=k, diversity=share) == rows


@given(seed=st.integers(0, 1_000))
def test_how_alike_tracks_are_is_a_kernel(seed):
    alike = table_of(a_pool(seed)[0], 12)
    np.testing.assert_allclose(alike, alike.T, atol=1e-12)
    np.testing.assert_allclose(alike.diagonal(), 1)
    assert np.linalg.eigvalsh(alike).min() > -1e-9


def test_tracks_of_one_artist_and_genre_are_more_alike_as_worked_by_hand():
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [0.6, 0.8], [0.6, 0.8]])
    likeness = Likeness(vectors, [{"a"}, {"a", "b"}, {"b"}, set()], ["rock", "rock", "folk", ""])
    sound = (1 - ARTIST_SHARE - GENRE_SHARE) * 0.6
    expected = [1.0, sound + ARTIST_SHARE / 2**0.5 + GENRE_SHARE, sound, sound]
    np.testing.assert_allclose(likeness.row(0), expected)
    np.testing.assert_allclose(Likeness(vectors).row(0), [1, 0.6, 0.6, 0.6])  # nothing known: sound alone


def test_tags_say_who_and_what_a_track_is():
    tracks = [a_track(0, artist="Ann; Bob"), a_track(1, artist="bob"), a_track(2)]
    vectors = np.eye(3)
    np.testing.assert_allclose(Likeness.of_tracks(tracks, vectors).row(0), [1, ARTIST_SHARE / 2**0.5, 0])
    assert a_track(0).tags == Tags()


@pytest.mark.parametrize("method", ["mmr", "dpp"])
def test_more_of_the_dial_is_more_variety_and_less_relevance(method):
    vectors = clusters()
    relevance = vectors @ vectors[0]
    lists = [rerank(relevance, Likeness(vectors).row, k=10, diversity=share, method=method) for share in (0, 0.3, 0.9)]
    assert lists[0] == np.argsort(-relevance, kind="stable")[:10].tolist()
    spread = diversity(np.array(lists), vectors)
    assert spread[0] < spread[1] < spread[2]
    assert relevance[lists[0]].mean() > relevance[lists[1]].mean() > relevance[lists[2]].mean()


def test_a_list_may_be_longer_than_the_vectors_are_and_than_the_candidates():
    likeness, relevance = a_pool(0, n=30, dim=2)
    for method in ("mmr", "dpp"):
        assert sorted(rerank(relevance, likeness.row, k=50, diversity=1, method=method)) == [*range(30)]
        assert rerank(relevance[:0], likeness.row, k=5, diversity=1, method=method) == []


def test_numbers_out_of_range_are_refused():
    likeness, relevance = a_pool(0)
    with pytest.raises(ValueError, match=r"diversity must be between 0 and 1, got 1\.5"):
        rerank(relevance, likeness.row, k=3, diversity=1.5)
    with pytest.raises(ValueError, match="method must be one of mmr, dpp, got 'max'"):
        rerank(relevance, likeness.row, k=3, diversity=0.5, method="max")
