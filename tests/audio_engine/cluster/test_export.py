"""An export holds what the catalogue holds, in a file that other programs can read."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.paths import catalogue_path
from audio_engine.catalogue.track import DIM
from audio_engine.cluster.export import export_parquet
from tests.audio_engine.catalogue.test_catalogue import embedded, failed


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue(tmp_path / "catalogue") as opened:
        opened.write([embedded("/a.mp3", "a", seed=1), embedded("/b.mp3", "b", seed=2), failed("/c.mp3")])
        yield opened


def test_a_row_holds_id_tags_vector_and_model(catalogue: Catalogue, tmp_path: Path) -> None:
    assert export_parquet(catalogue, tmp_path / "out.parquet", "m1") == 2
    frame = pl.read_parquet(tmp_path / "out.parquet")
    ids, vectors = catalogue.vectors("m1")
    assert frame["track_id"].to_list() == ids
    assert frame.schema["vector"] == pl.Array(pl.Float32, DIM)
    np.testing.assert_array_equal(frame["vector"].to_numpy(), vectors)
    assert frame["content_hash"].to_list() == [catalogue.track(track_id).content_hash for track_id in ids]
    assert frame.drop("track_id", "path", "vector", "content_hash").unique().row(0, named=True) == {
        "title": "Title",
        "artist": "Artist",
        "album": "Album",
        "genre": "Genre",
        "year": 1999,
        "duration_s": 12.5,
        "genre_predicted": "",
        "genre_probability": None,
        "bpm": None,
        "key": "",
        "camelot": "",
        "loudness_lufs": None,
        "described_at": "",
        "model_id": "m1",
        "file_size": 100,
        "mtime_ns": 1_700_000_000_123_456_789,
        "warnings": "",
    }


def test_only_vectors_of_the_model_asked_for_are_written(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.write([embedded("/a.mp3", "a", model_id="m2", seed=3)])
    assert export_parquet(catalogue, tmp_path / "out.parquet", "m2") == 1
    assert pl.read_parquet(tmp_path / "out.parquet")["path"].to_list() == ["/a.mp3"]


def test_an_empty_catalogue_gives_an_empty_table_of_the_same_columns(catalogue: Catalogue, tmp_path: Path) -> None:
    export_parquet(catalogue, tmp_path / "some.parquet", "m1")
    assert export_parquet(catalogue, tmp_path / "none.parquet", "no model") == 0
    schemas = [pl.read_parquet_schema(tmp_path / name) for name in ("some.parquet", "none.parquet")]
    assert schemas[0] == schemas[1]


def test_a_path_that_is_not_utf8_is_written_as_a_uri_that_leads_back(catalogue: Catalogue, tmp_path: Path) -> None:
    path = Path(os.fsdecode(b"/\xff\n.mp3"))
    catalogue.write([embedded(path, "x", model_id="m2")])
    export_parquet(catalogue, tmp_path / "out.parquet", "m2")
    (written,) = pl.read_parquet(tmp_path / "out.parquet")["path"]
    assert written == "file:///%FF%0A.mp3"
    assert catalogue_path(written) == path


def test_a_failed_export_leaves_the_older_file_and_no_litter(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out" / "tracks.parquet"
    out.parent.mkdir()
    out.write_text("older")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        export_parquet(catalogue, out, "m1")
    assert [path.name for path in out.parent.iterdir()] == ["tracks.parquet"]
    assert out.read_text() == "older"
