"""The track cache always returns what the catalogue holds now."""

from pathlib import Path

import pytest

from audio_engine import Catalogue, Engine
from audio_engine.catalogue.track_cache import TrackCache


def test_tracks_are_remembered_until_anything_changes(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine.open(own) as engine, Catalogue(own) as other_process:
        memory, model_id = TrackCache(engine.catalogue, 100), engine.models.active_id
        ids = [track.track_id for track in engine.tracks()]
        asked: list[list[str]] = []
        look_up = engine.catalogue.track_vectors

        def counted(track_ids: list[str], model_id: str) -> object:
            asked.append(list(track_ids))
            return look_up(track_ids, model_id)

        monkeypatch.setattr(engine.catalogue, "track_vectors", counted)
        assert [*memory.track_vectors([*ids[:3], "nobody"], model_id)] == ids[:3]
        assert [*memory.track_vectors(ids[1:4], model_id)] == ids[1:4]
        assert asked == [[*ids[:3], "nobody"], ids[3:4]]
        other_process.write_genres([(ids[0], "Waltz", 0.5)])
        assert memory.track_vectors(ids[:1], model_id)[ids[0]].track.genre_predicted == "Waltz"
        engine.catalogue.remove(ids[:1])
        assert memory.track_vectors(ids[:2], model_id).keys() == {ids[1]}
        other_process.remove(ids[1:2])
        assert memory.track_vectors(ids[:3], model_id).keys() == {ids[2]}


def test_of_a_memory_that_is_full_those_leave_that_came_first(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine.open(own) as engine:
        memory, model_id = TrackCache(engine.catalogue, 3), engine.models.active_id
        ids = [track.track_id for track in engine.tracks()]
        for _ in range(2):
            assert [*memory.track_vectors(ids, model_id)] == ids
        kept = memory.track_vectors(ids[-3:], model_id)
        monkeypatch.setattr(engine.catalogue, "track_vectors", lambda _, __: {})
        assert memory.track_vectors(ids, model_id) == kept
