from pathlib import Path

import polars as pl
import pytest

from audio_engine.plays.tables import read_tracks


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_tracks_are_read_from_parquet_and_csv_alike(ending: str, tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "track": ["a", "b", "c", "d"],
            "file": [f"{name}.wav" for name in "abcd"],
            "artist_key": ["x", "y", "x", "z"],
            "split": ["train", "train", "train", "test"],
            "artist_seen": [False, True, False, False],
        }
    )
    file = tmp_path / f"tracks.{ending}"
    table.write_parquet(file) if ending == "parquet" else table.write_csv(file)
    found = read_tracks(file, tmp_path, columns=["artist_key"], split="train", unseen_artists=True, at_least=2)
    assert list(zip(found.track_ids, found.artist_keys, found.files, strict=True)) == [
        (name, "x", tmp_path / f"{name}.wav") for name in "ac"
    ]
    with pytest.raises(ValueError, match=f"tracks must have a column 'maker', got .* in {file}"):
        read_tracks(file, tmp_path, columns=["maker"])
    with pytest.raises(ValueError, match="tracks must hold at least 2 tracks, got 1"):
        read_tracks(file, tmp_path, split="test", at_least=2)
    assert len(read_tracks(file, tmp_path, split="test")) == 1


def test_of_several_rows_for_one_track_the_first_counts(tmp_path: Path) -> None:
    rows = {"track": ["a", "b", "a"], "file": ["a.wav", "b.wav", "c.wav"]}
    pl.DataFrame(rows).write_csv(tmp_path / "tracks.csv")
    found = read_tracks(tmp_path / "tracks.csv", tmp_path)
    assert (found.track_ids, found.files) == (("a", "b"), (tmp_path / "a.wav", tmp_path / "b.wav"))
    assert found.names.find(["a", "b"]) == [0, 1]
