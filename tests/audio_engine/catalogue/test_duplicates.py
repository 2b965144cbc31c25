"""One rule of what is one recording, whoever asks and in whatever order the tracks come."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from audio_engine.catalogue.duplicates import number_recordings, same_recording
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import Track


def make_track(track_id, *, name="", content_hash=None):
    tags = Tags(artist=name, title=name)
    path = Path(f"/music/{track_id}.flac")
    return Track(
        track_id=track_id, path=path, tags=tags, status="embedded", content_hash=content_hash, file_size=1, mtime_ns=1
    )


def at_angles(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def slow_numbers(tracks, vectors):
    """The slow twin: of all pairs that are copies, the larger number gives way until none changes."""
    numbers = list(range(len(tracks)))
    pairs = [
        (one, other)
        for one, other in combinations(range(len(tracks)), 2)
        if same_recording(tracks[one], tracks[other], float(vectors[one] @ vectors[other]))
    ]
    while any(numbers[one] != numbers[other] for one, other in pairs):
        for one, other in pairs:
            numbers[one] = numbers[other] = min(numbers[one], numbers[other])
    return numbers


def partition(numbers):
    return {tuple(np.flatnonzero(np.asarray(numbers) == number)) for number in numbers}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_copies_of_copies_are_one_recording_in_any_order(order):
    vectors = at_angles(0, 7, 14, 60)  # cos 7° = 0.993: a copy; cos 14° = 0.970: none
    tracks = [make_track(f"t{row}") for row in range(4)]
    rows = [*order, 3]
    numbers = number_recordings([tracks[row] for row in rows], vectors[rows])
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3]


@pytest.mark.parametrize("seed", range(5))
def test_recordings_are_those_of_a_plain_loop_over_all_pairs(seed):
    rng = np.random.default_rng(seed)
    vectors = at_angles(*rng.uniform(0, 360, 60))
    tracks = [
        make_track(
            f"t{row}", name=rng.choice(["", "Ann", "ANN", "Bob"]), content_hash=rng.choice([None, "x", str(row)])
        )
        for row in range(60)
    ]
    assert partition(number_recordings(tracks, vectors)) == partition(slow_numbers(tracks, vectors))


def test_twenty_copies_are_one_recording_though_only_the_nearest_are_compared():
    vectors = np.tile(at_angles(30), (20, 1))
    assert len(set(number_recordings([make_track(f"t{row}") for row in range(20)], vectors).tolist())) == 1


def test_recordings_are_numbered_without_gaps_in_the_order_of_their_first_tracks():
    vectors = at_angles(0, 60, 1, 120, 61)
    assert number_recordings([make_track(f"t{row}") for row in range(5)], vectors).tolist() == [0, 1, 0, 2, 1]


def test_nothing_has_no_recordings():
    assert len(number_recordings([], np.empty((0, 2), np.float32))) == 0
