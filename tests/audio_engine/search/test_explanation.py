"""Which seconds of two tracks match, and the outline of a track."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_engine import DecodeError, Engine, UnknownTrackError
from tests.audio_engine.search.planted import clusters, fill
from tests.genre_world import SAMPLE_RATE, play
from tests.sounds import write_sound


def test_a_query_cut_from_a_track_matches_at_its_seconds(engine: Engine, tmp_path: Path) -> None:
    genres = ("Plucked", "Chiptune", "Drums")
    track = np.concatenate([play(genres[n % 3], n, n) for n in range(10)])  # ten pieces of 3 s: as the segments lie
    soundfile.write(tmp_path / "song.flac", track, SAMPLE_RATE)
    assert [result.status for result in engine.embed(tmp_path / "song.flac")] == ["embedded"]
    for piece in (2, 7):
        cut = track[piece * 3 * SAMPLE_RATE : (piece + 1) * 3 * SAMPLE_RATE]
        soundfile.write(tmp_path / "cut.flac", cut, SAMPLE_RATE)
        match = engine.search.explain(tmp_path / "cut.flac", tmp_path / "song.flac")
        assert match.neighbour_start_s == pytest.approx(piece * 3.0, abs=0.05)
        assert match.neighbour_end_s == pytest.approx(piece * 3.0 + 3.0, abs=0.05)
        assert (match.query_start_s, match.query_end_s) == (0.0, 3.0)
        assert match.similarity > 0.9


def test_the_mean_of_the_segments_is_what_the_vector_is_made_of(engine: Engine) -> None:
    segments = np.random.default_rng(0).standard_normal((10, engine.embedder.recipe.segment_samples)) * 0.1
    segments = np.repeat(segments[:1], 10, axis=0).astype(np.float32)  # ten times the same: each is the whole track
    of_segments = engine.embedder.embed_segments(segments)
    np.testing.assert_allclose(of_segments, np.repeat(engine.embedder.embed(segments[None]), 10, axis=0), atol=1e-4)


def test_what_was_read_is_remembered_until_the_file_changes(engine: Engine, tmp_path: Path) -> None:
    track = write_sound(tmp_path / "song.wav")
    first = engine.search.waveform(track)
    assert engine.search.waveform(track) is first
    write_sound(track, seed=1)
    os.utime(track, ns=(1, 1))
    assert engine.search.waveform(track) is not first


def test_kept_decoders_outline_a_track_too_and_survive_a_file_that_is_none(engine: Engine, tmp_path: Path) -> None:
    track = write_sound(tmp_path / "song.wav")
    alone = engine.search.waveform(track)
    (tmp_path / "none.wav").write_bytes(b"nothing")
    with Engine.open(tmp_path / "other") as other:
        other.decoders.keep(other.embedder.recipe, n_workers=1)
        with pytest.raises(DecodeError, match="none"):
            other.search.waveform(tmp_path / "none.wav")
        np.testing.assert_array_equal(other.search.waveform(track).peaks, alone.peaks)


def test_tracks_that_are_not_there_are_named(engine: Engine, tmp_path: Path) -> None:
    fill(engine.catalogue, clusters()[:1])
    with pytest.raises(UnknownTrackError, match="nowhere"):
        engine.search.explain(tmp_path / "nowhere.mp3", "/music/0.mp3")
    with pytest.raises(DecodeError, match=r"/music/0\.mp3: No such file"):
        engine.search.waveform("/music/0.mp3")
