"""Recall for many users at once, against plain loops."""

import tracemalloc

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from audio_engine.recall import block_search
from audio_engine.recall.batch import recall_frames
from audio_engine.recall.block_search import recall_block
from audio_engine.recall.candidates import NOBODY, Candidates, cap_artists
from audio_engine.recall.users import UserBatch, from_table, to_table

DIM = 6


def unit_vectors(rng, n):
    vectors = rng.normal(size=(n, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def make_offer(rng, n=60, n_recordings=45, n_artists=8):
    artists = rng.integers(0, n_artists, n)
    artists[rng.random(n) < 0.2] = NOBODY
    several = {
        row: (int(artists[row]), n_artists, n_artists + 1 + row % 3) for row in range(0, n, 4) if artists[row] >= 0
    }
    return Candidates(
        vectors=unit_vectors(rng, n), recordings=rng.integers(0, n_recordings, n), artists=artists, several=several
    )


def slow_answer(user, candidates, k, heard, max_per_artist):
    """The slow twin: down the whole ranking, one track at a time."""
    similarities = candidates.vectors @ user
    kept, recordings, artists = [], set(heard), {}
    for row in sorted(range(len(candidates)), key=lambda row: (-similarities[row], row)):
        its_artists = set(candidates.several.get(row, (int(candidates.artists[row]),))) - {NOBODY}
        if int(candidates.recordings[row]) in recordings:
            continue
        recordings.add(int(candidates.recordings[row]))
        if max_per_artist is not None:
            if any(artists.get(artist, 0) == max_per_artist for artist in its_artists):
                continue
            artists.update({artist: artists.get(artist, 0) + 1 for artist in its_artists})
        kept.append(row)
    return kept[:k]


@pytest.mark.parametrize("max_per_artist", [None, 1, 2])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_a_block_answers_as_each_user_alone(k, max_per_artist, monkeypatch):
    monkeypatch.setattr(block_search, "SPARE", 2)  # so that some answers must be widened
    rng = np.random.default_rng(k)
    candidates, users = make_offer(rng), unit_vectors(rng, 20)
    heard = rng.random((20, 45)) < 0.3
    rows, scores = recall_block(users, candidates, k, heard=csr_array(heard), max_per_artist=max_per_artist)
    for user, row, score, told in zip(users, rows, scores, heard, strict=True):
        wanted = slow_answer(user, candidates, k, np.flatnonzero(told).tolist(), max_per_artist)
        assert row[row >= 0].tolist() == wanted
        np.testing.assert_allclose(score[: len(wanted)], (candidates.vectors @ user)[wanted], atol=1e-5)
        assert (row[len(wanted) :] == -1).all()
        assert (score[len(wanted) :] == -np.inf).all()


def test_capping_a_block_looks_at_its_hits_and_not_at_all_candidates():
    n_tracks = 200_000
    candidates = Candidates(
        vectors=np.zeros((n_tracks, 1), np.float32),
        recordings=np.arange(n_tracks),
        artists=np.full(n_tracks, 7),
        several=dict.fromkeys(range(0, n_tracks, 50), (7, 8)),
    )
    hits = np.array([[0, 1, 50], [2, 3, 4]])
    wanted = np.ones(hits.shape, bool)
    first = cap_artists(candidates, hits, wanted, most=1)
    tracemalloc.start()
    again = cap_artists(candidates, hits, wanted, most=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert again.tolist() == first.tolist() == [[True, False, False], [True, False, False]]
    assert peak < n_tracks  # bytes: not one for each candidate


def test_frames_come_user_by_user_and_name_tracks_and_ranks():
    rng = np.random.default_rng(0)
    candidates, vectors = make_offer(rng, n=9, n_recordings=9), unit_vectors(rng, 3)
    candidates = Candidates(vectors=candidates.vectors, recordings=np.arange(9), artists=candidates.artists)
    heard = csr_array((np.ones(2), ([0, 2], [4, 8])), shape=(3, 10))  # the last track has left the catalogue
    block = UserBatch(users=["ann", "bob", "cy"], vectors=vectors, tastes=heard)
    answers = pl.concat(
        recall_frames(
            [block],
            candidates,
            track_ids=pl.Series([f"t{i}" for i in range(9)]),
            recording_of=np.array([*range(9), -1]),
            k=9,
        )
    )
    assert answers["user"].unique(maintain_order=True).to_list() == ["ann", "bob", "cy"]
    by_user = {user: rows["track"].to_list() for (user,), rows in answers.group_by("user")}
    assert (len(by_user["ann"]), len(by_user["bob"]), len(by_user["cy"])) == (8, 9, 8)
    assert "t4" not in by_user["ann"] and "t8" not in by_user["cy"]
    assert answers.filter(user="ann")["rank"].to_list() == [*range(1, 9)]


def test_users_read_back_from_a_table_are_unchanged():
    rng = np.random.default_rng(0)
    tastes = csr_array(([0.5, -1.0, 0.0], ([0, 0, 2], [1, 3, 2])), shape=(3, 4))
    before = UserBatch(users=["ann", "bob", "cy"], vectors=unit_vectors(rng, 3), tastes=tastes)
    after = from_table(to_table(before, pl.Series(np.arange(4, dtype=np.uint32))), n_tracks=4)
    assert after.users == before.users
    np.testing.assert_array_equal(after.vectors, before.vectors)
    np.testing.assert_array_equal(after.tastes.indptr, tastes.indptr)
    np.testing.assert_array_equal(after.tastes.indices, tastes.indices)
    np.testing.assert_array_equal(after.tastes.data, tastes.data)
