"""Recall for one user and for all, and users for a track: they agree on what is one recording, chains of copies too."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from audio_engine.recall.batch import recall_frames
from audio_engine.recall.candidates import candidates_of
from audio_engine.recall.tracks_for_user import PlayHistory, User, liked_tracks_like, recall_tracks_for
from audio_engine.recall.users import UserBatch
from index.vector_index import VectorIndex
from tests.audio_engine.catalogue.test_duplicates import at_angles, make_track

CHAIN = (20, 27, 34)  # degrees: cos 7° = 0.993 is a copy, cos 14° = 0.970 is none


def answers(degrees, *, heard, k, towards=0.0):
    """Ask for one user by both ways: ids of the tracks."""
    vectors = at_angles(*degrees)
    tracks = [make_track(f"t{row:02}") for row in range(len(degrees))]
    ids = [track.track_id for track in tracks]
    history = PlayHistory(
        tracks=tuple(tracks[row] for row in heard), vectors=vectors[heard], weights=np.ones(len(heard), np.float32)
    )
    user = at_angles(towards)
    alone = recall_tracks_for(
        User(vector=user[0], heard=history),
        k,
        index=VectorIndex.build(ids, vectors),
        track_of={track.track_id: track for track in tracks}.get,
    )
    tastes = csr_array((np.ones(len(heard)), ([0] * len(heard), heard)), shape=(1, len(degrees)))
    candidates = candidates_of(tracks, vectors)
    frames = recall_frames(
        [UserBatch(users=["ann"], vectors=user, tastes=tastes)],
        candidates,
        track_ids=pl.Series(ids),
        recording_of=candidates.recordings,
        k=k,
    )
    return [place.track.track_id for place in alone], pl.concat(frames)["track"].to_list()


def test_a_chain_of_copies_has_one_place_for_one_user_and_for_all():
    alone, in_batch = answers([*CHAIN, 60], heard=[], k=10)
    assert alone == in_batch == ["t00", "t03"]


@pytest.mark.parametrize("heard", [0, 1, 2])
def test_whoever_heard_a_part_of_a_chain_has_heard_it_all(heard):
    alone, in_batch = answers([*CHAIN, 60], heard=[heard], k=10)
    assert alone == in_batch == ["t03"]


@pytest.mark.parametrize("seed", range(10))
def test_both_ways_agree_on_any_circle_of_short_chains(seed):
    rng = np.random.default_rng(seed)
    starts = np.arange(0, 360, 36)
    degrees = np.concatenate([start + np.cumsum(rng.uniform(0, 9, rng.integers(1, 5))) for start in starts])
    heard = rng.choice(len(degrees), 4, replace=False).tolist()
    alone, in_batch = answers(degrees, heard=heard, k=6, towards=float(rng.uniform(0, 360)))
    assert alone == in_batch


def test_a_chain_is_named_once_among_the_reasons():
    vectors = at_angles(*CHAIN, 60)
    liked = PlayHistory(
        tracks=tuple(make_track(f"t{row}") for row in range(4)), vectors=vectors, weights=np.ones(4, np.float32)
    )
    (reasons,) = liked_tracks_like(at_angles(0), liked)
    assert [track.track_id for track in reasons] == ["t0", "t3"]
