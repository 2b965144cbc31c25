from pathlib import Path

import numpy as np
import pytest

from audio_engine.catalogue.duplicates import COPY_SIMILARITY, NAMED_COPY_SIMILARITY, same_recording
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import Track, TrackVector
from audio_engine.search.neighbours import find_neighbours
from index.vector_index import VectorIndex

QUERY = np.array([1, 0], dtype=np.float32)


def make_track(track_id, artist="", title="", duration_s=None, content_hash=None):
    return Track(
        track_id=track_id,
        path=Path(f"/music/{track_id}.flac"),
        tags=Tags(artist=artist, title=title, duration_s=duration_s),
        status="embedded",
        content_hash=content_hash or f"hash of {track_id}",
        file_size=1,
        mtime_ns=1,
    )


def at_angle(degrees):
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], dtype=np.float32)


class World:
    """Tracks on a circle: how far each lies from the query is its angle."""

    def __init__(self, *tracks_and_degrees):
        self.tracks = {track.track_id: track for track, _ in tracks_and_degrees}
        self.vectors = {track.track_id: at_angle(degrees) for track, degrees in tracks_and_degrees}
        self.index = VectorIndex.build([*self.tracks], np.stack([*self.vectors.values()]))

    def ask(self, k=10, *, query=None, vector=QUERY, **options):
        seeds = [] if query is None else [TrackVector(track=query, vector=vector)]
        return find_neighbours(vector, k, index=self.index, fetch=self.fetch, seeds=seeds, **options)

    def fetch(self, track_ids):
        return {
            track_id: TrackVector(track=self.tracks[track_id], vector=self.vectors[track_id])
            for track_id in track_ids
            if track_id in self.tracks
        }


def ids(neighbours):
    return [neighbour.track.track_id for neighbour in neighbours]


def test_the_nearest_come_first_and_ranks_count_from_one():
    answer = World((make_track("far"), 80), (make_track("near"), 20), (make_track("middle"), 50)).ask()
    assert ids(answer) == ["near", "middle", "far"]
    assert [neighbour.rank for neighbour in answer] == [1, 2, 3]
    assert answer[0].similarity == pytest.approx(np.cos(np.radians(20)))
    assert answer[0].copies == ()


def test_the_track_itself_and_its_copies_have_no_place():
    track = make_track("track", content_hash="same bytes")
    copy = make_track("copy", content_hash="same bytes")
    reencoded = make_track("reencoded")
    world = World((track, 0), (copy, 0), (reencoded, 1), (make_track("other"), 40))
    assert ids(world.ask(query=track)) == ["other"]


def test_without_a_query_the_nearest_track_has_a_place_however_near():
    assert ids(World((make_track("a"), 0), (make_track("b"), 40)).ask()) == ["a", "b"]


def test_copies_of_one_recording_share_a_place():
    first, second = make_track("a", content_hash="same"), make_track("b", content_hash="same")
    answer = World((first, 30), (second, 30), (make_track("c"), 31), (make_track("d"), 60)).ask()
    assert ids(answer) == ["a", "d"]
    assert [copy.track_id for copy in answer[0].copies] == ["b", "c"]


def test_a_chain_of_copies_shares_a_place_and_none_of_it_follows_a_query_that_is_part_of_it():
    a, b, c = (make_track(name) for name in "abc")  # a and c alone would be no copies: cos 14° = 0.970
    world = World((a, 30), (b, 37), (c, 44), (make_track("d"), 70))
    assert ids(world.ask()) == ["a", "d"]
    assert ids(world.ask(query=a, vector=at_angle(30))) == ["d"]


def test_copies_do_not_count_towards_k():
    twins = [(make_track(f"twin{n:02}", content_hash="same"), 30) for n in range(30)]
    answer = World(*twins, *[(make_track(f"other{n}"), 50 + 10 * n) for n in range(4)]).ask(k=3)
    assert ids(answer) == ["twin00", "other0", "other1"]
    assert len(answer[0].copies) == 29


def test_tracks_as_far_from_the_query_but_not_from_each_other_are_no_copies():
    answer = World((make_track("left"), -30), (make_track("right"), 30)).ask()
    assert len(answer) == 2


def test_the_artist_of_the_track_can_be_left_out():
    track = make_track("track", artist="Ann ")
    world = World((track, 0), (make_track("a", artist="ANN"), 20), (make_track("b", artist="Bob"), 40))
    assert ids(world.ask(query=track)) == ["a", "b"]
    assert ids(world.ask(query=track, not_same_artist=True)) == ["b"]


SEVERAL = ["Anna; Ben", "ben", "Cy", "CY;  Dan", "Dan & Cy", "Simon & Garfunkel", "Simon", "AC/DC", "AC"]


def test_who_shares_an_artist_is_the_same_artist():
    tracks = [(make_track(f"{number}", artist=artist), 9 + 9 * number) for number, artist in enumerate(SEVERAL)]
    everyone = [f"{number}" for number in range(len(SEVERAL))]
    for artists, left in [("Anna", everyone[1:]), ("Ben; Eve", everyone[2:]), ("Dan", [*everyone[:3], *everyone[4:]])]:
        track = make_track("track", artist=artists)
        assert ids(World((track, 0), *tracks).ask(query=track, not_same_artist=True)) == left, artists


def test_a_track_takes_a_place_of_each_of_its_artists():
    tracks = [(make_track(f"{number}", artist=artist), 9 + 9 * number) for number, artist in enumerate(SEVERAL)]
    assert ids(World(*tracks).ask(max_per_artist=1)) == ["0", "2", "4", "5", "6", "7", "8"]
    turned = [(make_track(f"{number}", artist=artist), 81 - 9 * number) for number, artist in enumerate(SEVERAL)]
    assert ids(World(*turned).ask(max_per_artist=1)) == ["8", "7", "6", "5", "4", "3", "1"]  # 2 shares with 3, 0 with 1


def test_nobody_is_the_same_unknown_artist():
    track = make_track("track")
    world = World((track, 0), *[(make_track(f"{degrees}"), degrees) for degrees in (20, 40, 60)])
    assert ids(world.ask(query=track, not_same_artist=True, max_per_artist=1)) == ["20", "40", "60"]


def test_an_artist_can_be_capped():
    world = World(*[(make_track(f"{d}", artist="Ann" if d < 60 else "Bob"), d) for d in (20, 30, 40, 50, 60, 70)])
    assert ids(world.ask(max_per_artist=1)) == ["20", "60"]
    assert ids(world.ask(max_per_artist=2, k=3)) == ["20", "30", "60"]


def test_what_is_left_out_is_made_up_for_from_further_away():
    near = [(make_track(f"ann{n:02}", artist="Ann"), n + 5) for n in range(0, 80, 4)]
    far = [(make_track(f"bob{n}", artist="Bob"), 100 + 10 * n) for n in range(5)]
    track = make_track("track", artist="Ann")
    assert len(World((track, 0), *near, *far).ask(query=track, not_same_artist=True, k=5)) == 5


def test_a_copy_of_a_track_that_is_left_out_is_left_out_with_it():
    track = make_track("track", artist="Ann")
    tagged, untagged = make_track("a", artist="Ann", content_hash="x"), make_track("b", content_hash="x")
    world = World((track, 0), (tagged, 30), (untagged, 30), (make_track("c"), 60))
    assert ids(world.ask(query=track, not_same_artist=True)) == ["c"]


def test_a_track_that_has_left_the_catalogue_meanwhile_is_passed_over():
    world = World((make_track("gone"), 20), (make_track("here"), 40))
    del world.tracks["gone"]
    assert ids(world.ask()) == ["here"]


def test_numbers_below_one_are_refused():
    world = World((make_track("a"), 0))
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        world.ask(k=0)
    with pytest.raises(ValueError, match="max_per_artist must be at least 1, got 0"):
        world.ask(max_per_artist=0)


def test_an_empty_index_answers_with_nothing():
    assert find_neighbours(QUERY, 3, index=VectorIndex(2), fetch=lambda _: {}) == []


@pytest.mark.parametrize(
    ("one", "other", "similarity", "expected"),
    [
        ({}, {}, COPY_SIMILARITY, True),
        ({}, {}, COPY_SIMILARITY - 0.001, False),
        ({"content_hash": "x"}, {"content_hash": "x"}, 0.0, True),
        ({"title": "Rain", "artist": "Ann"}, {"title": " RAIN", "artist": "ann"}, NAMED_COPY_SIMILARITY, True),
        ({"title": "Rain", "artist": "Ann"}, {"title": "Rain", "artist": "Ann"}, NAMED_COPY_SIMILARITY - 0.01, False),
        ({"title": "Rain", "artist": "Ann"}, {"title": "Rain", "artist": "Bob"}, NAMED_COPY_SIMILARITY, False),
        ({"title": "Rain"}, {"title": "Rain"}, NAMED_COPY_SIMILARITY, False),
        (
            {"title": "Rain", "artist": "Ann", "duration_s": 180.0},
            {"title": "Rain", "artist": "Ann", "duration_s": 400.0},
            NAMED_COPY_SIMILARITY,
            False,
        ),
    ],
)
def test_copies_need_the_same_bytes_or_nearly_the_same_vector_or_the_same_name(one, other, similarity, expected):
    first, second = make_track("a", **one), make_track("b", **other)
    assert same_recording(first, second, similarity) is expected
    assert same_recording(second, first, similarity) is expected


def test_files_that_could_not_be_hashed_are_not_the_same_file():
    unknown = Track(track_id="a", path=Path("/a"), status="embedded", content_hash=None, file_size=1, mtime_ns=1)
    assert not same_recording(unknown, unknown, 0.5)
