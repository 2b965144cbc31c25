"""Import of tables: each row once, of the right model only, and never losing a vector."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine import Catalogue, Engine
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import DIM, Described
from audio_engine.cluster.vector_table import SCHEMA, drop_unfinished
from audio_engine.embedding.models import shipped_model_id
from features.description import Description
from tests.audio_engine.catalogue.test_catalogue import embedded, failed
from tests.sounds import write_sound

ROWS_A_FILE = 700
N_ROWS = 1_501


def vectors(n: int, seed: int = 0) -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return numbers / np.linalg.norm(numbers, axis=1, keepdims=True)


def row(uri: str, vector: np.ndarray | None, *, error: str = "", model_id: str = "") -> dict[str, object]:
    return {
        "uri": uri,
        "content_hash": f"hash of {uri}",
        "file_size": 7,
        "mtime_ns": 8,
        "title": "Title",
        "artist": "Ar\ntist",
        "album": "",
        "genre": "",
        "year": 1999,
        "duration_s": 12.5,
        "vector": None if vector is None else vector.tolist(),
        "model_id": model_id or shipped_model_id(),
        "error": error,
    }


def write_table(folder: Path, rows: list[dict[str, object]]) -> str:
    folder.mkdir(exist_ok=True)
    for start in range(0, len(rows), ROWS_A_FILE):
        pl.DataFrame(rows[start : start + ROWS_A_FILE], schema=SCHEMA).write_parquet(folder / f"{start}.parquet")
    return str(folder)


def test_every_row_arrives_and_a_second_import_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    made = vectors(N_ROWS)
    rows = [row(f"/{number}.mp3", vector) for number, vector in enumerate(made)]
    rows += [row("s3://bucket/bad.mp3", None, error="it is no sound"), rows[0]]
    table = write_table(tmp_path / "table", rows)
    statuses = [result.status for result in engine.ingest.import_parquet(table)]
    assert (statuses.count("embedded"), statuses.count("failed")) == (N_ROWS, 1)
    assert list(engine.ingest.import_parquet(table)) == []
    tracks = engine.tracks()
    assert len(tracks) == N_ROWS
    for track in tracks[:: N_ROWS // 10]:
        np.testing.assert_array_equal(engine.vector(track.track_id), made[int(track.path.stem)])
    assert tracks[0].tags == Tags(title="Title", artist="Ar tist", year=1999, duration_s=12.5)
    assert (tracks[0].content_hash, tracks[0].file_size, tracks[0].mtime_ns) == ("hash of /0.mp3", 7, 8)
    assert [(str(track.path), track.error) for track in engine.errors()] == [("/s3:/bucket/bad.mp3", "it is no sound")]


def test_a_failure_never_takes_away_a_vector_but_a_vector_mends_a_failure(engine: Engine, tmp_path: Path) -> None:
    good = write_table(tmp_path / "good", [row("/a.mp3", vectors(1)[0])])
    bad = write_table(tmp_path / "bad", [row("/a.mp3", None, error="the network was down")])
    assert [result.status for result in engine.ingest.import_parquet(bad)] == ["failed"]
    assert [result.status for result in engine.ingest.import_parquet(bad, good, bad)] == ["embedded"]
    assert [track.status for track in engine.catalogue.tracks()] == ["embedded"]


def test_a_table_of_older_files_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    first, second = vectors(2)
    old = write_table(tmp_path / "old", [row("/a.mp3", first)])
    new = write_table(tmp_path / "new", [row("/a.mp3", second) | {"content_hash": "another", "mtime_ns": 9}])
    assert len(list(engine.ingest.import_parquet(old, new))) == 2
    assert list(engine.ingest.import_parquet(old, new)) == []
    np.testing.assert_array_equal(engine.vector("/a.mp3"), second)


def test_vectors_of_another_model_are_refused_before_anything_is_written(engine: Engine, tmp_path: Path) -> None:
    ours = write_table(tmp_path / "ours", [row("/a.mp3", vectors(1)[0])])
    other = write_table(tmp_path / "other", [row("/b.mp3", vectors(1)[0], model_id="other")])
    with pytest.raises(ValueError, match=rf"model_id must be that of the catalogue, {shipped_model_id()}, got other"):
        list(engine.ingest.import_parquet(ours, other))
    assert engine.tracks() == []


def test_an_import_of_the_last_vectors_finishes_the_move_to_a_new_model(tmp_path: Path) -> None:
    with Catalogue(tmp_path / "catalogue") as catalogue:
        catalogue.set_model("old")
        catalogue.write([embedded("/a.mp3", "hash of /a.mp3", model_id="old", seed=1)])
        catalogue.set_model(shipped_model_id())
    with Engine.open(tmp_path / "catalogue") as engine:
        list(engine.ingest.import_parquet(write_table(tmp_path / "table", [row("/a.mp3", vectors(1)[0])])))
        assert engine.catalogue.model_id == shipped_model_id()
        np.testing.assert_array_equal(engine.vector(engine.tracks()[0].track_id), vectors(1)[0])


def test_what_is_no_table_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(engine.ingest.import_parquet(tmp_path / "nowhere"))
    (tmp_path / "half.parquet").write_bytes(b"PAR1 and then the machine died")
    with pytest.raises(ValueError, match="table must be complete Parquet files"):
        list(engine.ingest.import_parquet(tmp_path / "half.parquet"))
    pl.DataFrame({"uri": ["/a.mp3"]}).write_parquet(tmp_path / "thin.parquet")
    with pytest.raises(ValueError, match="got none called content_hash"):
        list(engine.ingest.import_parquet(tmp_path / "thin.parquet"))
    pl.DataFrame([row("/a.mp3", None)], schema=SCHEMA).write_parquet(tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match="a row must have vector and content_hash, or error"):
        list(engine.ingest.import_parquet(tmp_path / "empty.parquet"))
    pl.DataFrame([row("/a.mp3", vectors(1)[0]) | {"uri": None}], schema=SCHEMA).write_parquet(tmp_path / "lost.parquet")
    with pytest.raises(ValueError, match="a row must have uri, got none"):
        list(engine.ingest.import_parquet(tmp_path / "lost.parquet"))


@pytest.mark.parametrize(("column", "value"), [("content_hash", 7), ("vector", "far"), ("file_size", "big")])
def test_a_column_of_the_wrong_type_is_named(engine: Engine, tmp_path: Path, column: str, value: str | int) -> None:
    right = pl.DataFrame([row("/a.mp3", vectors(1)[0])], schema=SCHEMA)
    right.with_columns(pl.lit(value).alias(column)).write_parquet(tmp_path / "wrong.parquet")
    with pytest.raises(ValueError, match=rf"{column} must be of type .*, got .* in .*wrong\.parquet"):
        list(engine.ingest.import_parquet(tmp_path / "wrong.parquet"))
    assert engine.tracks() == []


def test_half_a_part_of_a_folder_is_dropped_and_a_file_of_somebody_elses_never(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", [row("/a.mp3", vectors(1)[0])])
    (tmp_path / "table" / "half.parquet").write_bytes(b"PAR1 and then the machine died")
    (tmp_path / "table" / "notes.txt").write_text("mine")
    assert drop_unfinished(table) == [f"{table}/half.parquet"]
    assert sorted(path.name for path in (tmp_path / "table").iterdir()) == ["0.parquet", "notes.txt"]
    with pytest.raises(NotADirectoryError, match=r"Not a directory: .*notes\.txt"):
        drop_unfinished(str(tmp_path / "table" / "notes.txt"))
    assert (tmp_path / "table" / "notes.txt").read_text() == "mine"


def test_an_export_imports_into_an_empty_catalogue(engine: Engine, tmp_path: Path) -> None:
    engine.catalogue.set_model(shipped_model_id())
    model_id = shipped_model_id()
    engine.catalogue.write([embedded("/a.mp3", "a", model_id=model_id, seed=1), failed("/c.mp3")])
    engine.catalogue.write([embedded("/b.mp3", "a", model_id=model_id, seed=1)])  # a copy
    engine.export(tmp_path / "out.parquet")
    with Engine.open(tmp_path / "second") as second:
        assert len(list(second.ingest.import_parquet(tmp_path / "out.parquet"))) == 2
        for track, twin in zip(engine.tracks(), second.tracks(), strict=True):
            assert (track.path, track.tags, track.content_hash) == (twin.path, twin.tags, twin.content_hash)
            assert (track.file_size, track.mtime_ns) == (twin.file_size, twin.mtime_ns)
            np.testing.assert_array_equal(engine.vector(track.track_id), second.vector(twin.track_id))


def test_descriptions_come_along_and_to_tracks_that_lack_only_them(engine: Engine, tmp_path: Path) -> None:
    model_id = shipped_model_id()
    engine.catalogue.set_model(model_id)
    a, silent, _, failing = engine.catalogue.write(
        [embedded(f"/{name}.mp3", name, model_id=model_id) for name in ("a", "silent", "unmeasured", "failing")]
    )
    of_a = Description(bpm=120.5, key="Am", loudness_lufs=-14.0)
    measured = [Described(track_id=a, description=of_a), Described(track_id=silent)]
    with Engine.open(tmp_path / "earlier") as earlier, Engine.open(tmp_path / "later") as later:
        engine.export(tmp_path / "bare.parquet")
        list(earlier.ingest.import_parquet(tmp_path / "bare.parquet"))
        engine.catalogue.write([*measured, Described(track_id=failing, error="it could not be read")])
        engine.export(tmp_path / "out.parquet")
        for other, status in ((earlier, "described"), (later, "embedded")):
            statuses = [result.status for result in other.ingest.import_parquet(tmp_path / "out.parquet")]
            assert statuses == [status] * (2 if status == "described" else 4)
            assert list(other.ingest.import_parquet(tmp_path / "out.parquet")) == []
            assert other.find(Path("/a.mp3")).description == of_a
            assert {track.path.stem for track in other.descriptions.pending()} == {"unmeasured", "failing"}


def test_a_key_that_is_none_is_refused_by_its_row(engine: Engine, tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", [row("/a.mp3", vectors(1)[0])])
    pl.read_parquet(table).with_columns(key=pl.lit("H sharp")).write_parquet(tmp_path / "keyed.parquet")
    with pytest.raises(ValueError, match=r"key must be a key such as Am.*, got 'H sharp' for '/a\.mp3'"):
        list(engine.ingest.import_parquet(tmp_path / "keyed.parquet"))


def test_a_vector_of_another_length_is_refused_by_its_row(engine: Engine, tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", [row("/a.mp3", vectors(1)[0]), row("/b.mp3", 2 * vectors(1)[0])])
    with pytest.raises(ValueError, match=r"vector must have unit length, got 2 for '/b\.mp3'"):
        list(engine.ingest.import_parquet(table))


def test_a_file_that_was_imported_from_elsewhere_is_known_by_its_bytes(engine: Engine, tmp_path: Path) -> None:
    song = write_sound(tmp_path / "song.flac")
    list(engine.embed(song))
    track = engine.find(song)
    remote = row("s3://bucket/song.flac", engine.vector(song)) | {"content_hash": track.content_hash}
    with Engine.open(tmp_path / "second") as second:
        list(second.ingest.import_parquet(write_table(tmp_path / "table", [remote])))
        assert [result.status for result in second.embed(song)] == ["moved"]
