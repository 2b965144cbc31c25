import numpy as np
import pytest

from audio_engine.catalogue.tags import read_tags
from audio_engine.demo.demo import ARTISTS, DURATION_S, N_TRACKS, make_demo_tracks, run_demo
from audio_engine.demo.sounds import SAMPLE_RATE
from features.decode import decode


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return make_demo_tracks(tmp_path_factory.mktemp("music"))


def test_every_artist_plays_every_track_with_tags(paths):
    tags = [read_tags(path) for path in paths]
    assert len({path.name for path in paths}) == len(paths) == N_TRACKS * len(ARTISTS)
    assert [each.artist for each in tags[::N_TRACKS]] == [artist.name for artist in ARTISTS]
    assert len({each.title for each in tags}) == len(tags)
    assert all(each.duration_s == pytest.approx(DURATION_S) for each in tags)


def test_every_track_can_be_heard_from_beginning_to_end_and_none_clips(paths):
    for path in paths:
        waveform = decode(path, SAMPLE_RATE)
        assert 0.4 < np.abs(waveform).max() < 0.6
        seconds = waveform[: int(DURATION_S) * SAMPLE_RATE].reshape(-1, SAMPLE_RATE)
        assert (np.sqrt((seconds**2).mean(axis=1)) > 0.003).all(), path.name


def test_the_same_seed_writes_the_same_bytes_and_another_seed_other_music(paths, tmp_path):
    again = make_demo_tracks(tmp_path / "again")
    other = make_demo_tracks(tmp_path / "other", seed=1)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]
    assert not {path.read_bytes() for path in other} & {path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache") / "audio-engine" / "demo"  # where the command has it


@pytest.fixture(scope="module")
def demo(folder):
    return run_demo(folder, k=5)


def test_the_demonstration_embeds_everything_and_the_nearest_track_is_of_the_same_artist(demo):
    assert demo.n_tracks == N_TRACKS * len(ARTISTS)
    assert len({track.tags.genre for track, _ in demo.answers}) == 3
    for track, neighbours in demo.answers:
        assert [neighbour.rank for neighbour in neighbours] == [1, 2, 3, 4, 5]
        assert neighbours[0].track.tags.artist == track.tags.artist
        assert track.path not in [neighbour.track.path for neighbour in neighbours]


def test_a_second_run_uses_what_is_there_and_gives_the_same_answer(folder, demo):
    assert run_demo(folder, k=5) == demo  # the tracks say when they were embedded


def test_each_answer_says_which_track_it_belongs_to(folder, demo, run, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent.parent))
    lines = run("demo", "--json").objects
    asked = [(line["asked"], line["rank"], line["track_id"]) for line in lines]
    assert asked == [
        ({"track_id": track.track_id, "path": str(track.path)}, neighbour.rank, neighbour.track.track_id)
        for track, neighbours in demo.answers
        for neighbour in neighbours[:4]
    ]
