import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import Track
from audio_engine.search.playlist import walk, write_m3u
from index.vector_index import VectorIndex


def index_of(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return VectorIndex.build([f"t{row:03}" for row in range(len(vectors))], unit.astype(np.float32))


def on_a_circle(*degrees):
    return index_of(np.array([[np.cos(np.radians(each)), np.sin(np.radians(each))] for each in degrees]))


def test_a_walk_along_a_road_takes_the_road():
    index = on_a_circle(0, 90, 30, 60, 180, 270)
    assert walk("t000", "t001", 4, index) == ["t000", "t002", "t003", "t001"]


def test_two_steps_are_the_two_ends():
    assert walk("t001", "t000", 2, on_a_circle(0, 90, 45)) == ["t001", "t000"]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n_tracks=st.integers(2, 40), n=st.integers(2, 14))
def test_a_walk_has_its_ends_repeats_nothing_and_is_as_long_as_it_can_be(seed, n_tracks, n):
    index = index_of(np.random.default_rng(seed).standard_normal((n_tracks, 8)))
    steps = walk("t000", "t001", n, index)
    assert (steps[0], steps[-1]) == ("t000", "t001")
    assert len(set(steps)) == len(steps) == min(n, n_tracks)


def test_a_walk_that_asks_for_more_tracks_than_there_are_looks_for_none_beyond_them():
    index = on_a_circle(0, 90, 30, 60)
    assert walk("t000", "t001", 10**12, index) == ["t000", "t002", "t003", "t001"]


def test_steps_are_smaller_than_those_of_a_walk_at_random():
    rng = np.random.default_rng(0)
    index = index_of(rng.standard_normal((400, 8)) + 1)
    steps = index.vectors(walk("t000", "t001", 12, index))
    strolled = index.vectors([f"t{row:03}" for row in rng.choice(400, 12, replace=False)])
    of_steps, at_random = ((each[1:] * each[:-1]).sum(axis=1).mean() for each in (steps, strolled))
    assert of_steps > at_random + 0.2


def test_copies_of_what_was_played_are_not_played_again():
    index = on_a_circle(0, 90, 45, 45, 45.5, 20, 70)
    steps = walk("t000", "t001", 5, index)
    assert len({"t002", "t003", "t004"} & set(steps)) == 1
    assert len(steps) == 5


@pytest.mark.parametrize("degrees", [0, 180])
def test_ends_in_one_place_or_opposite_still_make_a_walk(degrees):
    index = on_a_circle(0, degrees, 40, 80, 120, 160)
    steps = walk("t000", "t001", 4, index)
    assert len(set(steps)) == 4


def test_ends_must_be_two_tracks_of_the_index():
    index = on_a_circle(0, 90)
    with pytest.raises(ValueError, match="n must be at least 2, got 1"):
        walk("t000", "t001", 1, index)
    with pytest.raises(ValueError, match="start and end must be two tracks, got 't000' twice"):
        walk("t000", "t000", 3, index)
    with pytest.raises(LookupError, match="'nobody'"):
        walk("t000", "nobody", 3, index)


def make_track(path, **tags):
    return Track(
        track_id="a", path=Path(path), tags=Tags(**tags), status="embedded", content_hash="x", file_size=1, mtime_ns=1
    )


def test_a_playlist_lists_length_artist_title_and_path(tmp_path):
    write_m3u(tmp_path / "out.m3u", [make_track("/m/a b.flac", artist="Ann", title="Räin 🌧", duration_s=61.6)])
    expected = "#EXTM3U\n#EXTINF:62,Ann - Räin 🌧\n/m/a b.flac\n"
    assert (tmp_path / "out.m3u").read_bytes() == expected.encode()


def test_a_track_without_tags_goes_by_its_file_name_and_no_length(tmp_path):
    write_m3u(tmp_path / "out.m3u", [make_track("/m/rain.flac")])
    assert "#EXTINF:-1,rain\n/m/rain.flac" in (tmp_path / "out.m3u").read_text(encoding="utf-8")


def test_a_relative_path_is_written_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_m3u(Path("out.m3u"), [make_track("rain.flac")])
    assert (tmp_path / "out.m3u").read_text(encoding="utf-8").splitlines()[-1] == str(tmp_path / "rain.flac")


def test_a_path_that_no_line_of_text_can_hold_becomes_an_address(tmp_path):
    odd = os.fsdecode(b"/m/two\nlines \xff.flac")
    write_m3u(tmp_path / "out.m3u", [make_track(odd)])
    lines = (tmp_path / "out.m3u").read_text(encoding="utf-8").splitlines()
    assert lines[1:] == ["#EXTINF:-1,two lines ?", "file:///m/two%0Alines%20%FF.flac"]
