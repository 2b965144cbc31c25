"""A track of two artists is by each of them: read from a file, in every answer that knows of artists."""

from pathlib import Path

import polars as pl
import pytest
from mutagen.flac import FLAC

from audio_engine import Engine, Play, TrackFilter
from tests.sounds import write_sound

ARTISTS = {"duo": ["Anna", "Ben"], "anna": ["ANNA"], "ben": ["Ben"], "cy": ["Cy"], "and": ["Anna & Ben"]}


@pytest.fixture
def music(engine: Engine, tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for seed, (name, artists) in enumerate(ARTISTS.items()):
        file = FLAC(write_sound(folder / f"{name}.flac", seed=seed))
        file["ARTIST"] = artists
        file.save()
    assert {result.status for result in engine.embed(folder)} == {"embedded"}
    return folder


def test_sharing_an_artist_is_having_the_same(engine: Engine, music: Path, tmp_path: Path) -> None:
    def names(places: list) -> set[str]:
        return {place.track.path.stem for place in places}

    assert engine.find(music / "duo.flac").tags.artist == "Anna; Ben"
    assert names(engine.similar(music / "anna.flac", not_same_artist=True)) == {"ben", "cy", "and"}
    assert names(engine.similar(music / "duo.flac", not_same_artist=True)) == {"cy", "and"}
    assert names(engine.similar(music / "cy.flac", where=TrackFilter(not_artist="anna"))) == {"ben", "and"}
    capped = names(engine.similar(music / "cy.flac", max_per_artist=1)) - {"and"}
    assert capped in ({"duo"}, {"anna", "ben"})
    plays = [Play(track=str(music / "cy.flac"))]
    assert names(engine.recommender.tracks_for(plays=plays, max_per_artist=1)) - {"and"} == capped
    filtered = engine.recommender.tracks_for(plays=plays, where=TrackFilter(not_artist="Anna"))
    assert names(filtered) == {"ben", "and"}

    log = pl.DataFrame({"user": ["u"], "track": ["cy"], "day": [1.0], "completion": [1.0], "action": ["like"]})
    log.write_parquet(tmp_path / "plays.parquet")
    engine.recommender.learn_users(tmp_path / "plays.parquet")
    engine.recommender.recall_all(tmp_path / "out.parquet", max_per_artist=1)
    recalled = {engine.track(each).path.stem for each in pl.read_parquet(tmp_path / "out.parquet")["track"]}
    assert recalled - {"and"} == capped
