"""Genre labels: which names count, and which track each belongs to."""

from pathlib import Path

import polars as pl
import pytest

from audio_engine.catalogue.tag_text import main_genre
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import Track
from audio_engine.genre.genres import of_genre
from audio_engine.genre.labels import labels_of_table, labels_of_tags


def track(name: str, *, genre: str = "", artist: str = "", predicted: str = "") -> Track:
    return Track(
        track_id=name,
        path=Path(f"/music/{name}.mp3"),
        tags=Tags(genre=genre, artist=artist),
        status="embedded",
        content_hash=name,
        file_size=1,
        mtime_ns=1,
        genre_predicted=predicted,
    )


@pytest.mark.parametrize(
    ("tag", "genre"),
    [
        ("Rock", "Rock"),
        ("Trip-Hop; Electronic", "Trip-Hop"),
        ("Jazz|Blues", "Jazz"),
        ("Folk, World, & Country", "Folk"),
        ("Rock / Pop", "Rock"),
        ("R&B/Soul", "R&B/Soul"),
        ("Other; Techno", "Techno"),
        ("Unknown", ""),
        (" ; ", ""),
        ("", ""),
    ],
)
def test_the_first_genre_that_says_something_counts(tag: str, genre: str) -> None:
    assert main_genre(tag) == genre


def test_spellings_of_one_genre_are_one_and_the_most_frequent_stands() -> None:
    tags = ["hip hop", "Hip-Hop", "Hip-Hop", "HIPHOP", "Rock"]
    found = labels_of_tags([track(str(n), genre=genre) for n, genre in enumerate(tags)])
    assert [label.genre for label in found.labels] == ["Hip-Hop"] * 4 + ["Rock"]


def test_tracks_without_a_genre_are_counted_and_names_of_nobody_are_no_artist() -> None:
    found = labels_of_tags([track("a"), track("b", genre="Rock", artist="Various  Artists"), track("c", genre="other")])
    assert (found.n_unlabelled, [(label.track_id, label.artist) for label in found.labels]) == (2, [("b", "")])


def test_of_several_artists_those_who_are_nobody_are_left_out() -> None:
    found = labels_of_tags([track("a", genre="Rock", artist="Zoe; Unknown Artist; ANNA")])
    assert [label.artist for label in found.labels] == ["anna; zoe"]


def test_a_table_names_tracks_by_path_and_may_name_the_artist(tmp_path: Path) -> None:
    tracks = [track(name, artist=f"Tagged {name}") for name in "abc"]
    (tmp_path / "labels.csv").write_text("path,genre\n/music/a.mp3,Rock\nb.mp3,Pop\nc.mp3,\nnowhere.mp3,Pop\n")
    found = labels_of_table(tmp_path / "labels.csv", tracks, audio=Path("/music"))
    assert [(label.track_id, label.genre, label.artist) for label in found.labels] == [
        ("a", "Rock", "tagged a"),
        ("b", "Pop", "tagged b"),
    ]
    assert (found.n_unlabelled, found.n_absent) == (1, 1)
    pl.DataFrame({"track_id": ["a"], "genre": ["Rock"], "artist_key": [7]}).write_parquet(tmp_path / "labels.parquet")
    [label] = labels_of_table(tmp_path / "labels.parquet", tracks).labels
    assert (label.track_id, label.artist) == ("a", "7")


def test_a_table_may_reach_its_tracks_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp3").touch()
    (tmp_path / "link").symlink_to("real")
    known = Track(
        track_id="a", path=tmp_path / "real" / "a.mp3", status="embedded", content_hash="a", file_size=1, mtime_ns=1
    )
    (tmp_path / "labels.csv").write_text("file,genre\na.mp3,Rock\n")
    assert len(labels_of_table(tmp_path / "labels.csv", [known], audio=tmp_path / "link").labels) == 1


def test_a_row_without_a_genre_hides_no_other_row_of_its_track(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("track_id,genre\na,\na,Rock\na,Pop\n")
    [label] = labels_of_table(tmp_path / "labels.csv", [track("a")]).labels
    assert label.genre == "Rock"


def test_a_column_of_lists_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"track_id": ["a"], "genre": [["Rock", "Pop"]]}).write_parquet(tmp_path / "labels.parquet")
    with pytest.raises(ValueError, match=r"labels must be text, one per row, got track_id of String, genre of List"):
        labels_of_table(tmp_path / "labels.parquet", [track("a")])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("track,genre\na,Rock\n", "labels must have a column 'track_id' or 'path' or 'file', got track, genre"),
        ("path,style\na,Rock\n", "labels must have a column 'genre', got path, style"),
        ("", "labels.csv must be a table that can be read: empty CSV"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(ValueError, match=words):
        labels_of_table(tmp_path / "labels.csv", [])
    with pytest.raises(FileNotFoundError):
        labels_of_table(tmp_path / "nowhere.csv", [])
    with pytest.raises(IsADirectoryError):
        labels_of_table(tmp_path, [])


def test_tracks_are_found_by_the_predicted_genre_in_any_spelling() -> None:
    tracks = [track("a", predicted="Hip-Hop"), track("b", predicted="Rock", genre="Hip-Hop"), track("c")]
    assert [found.track_id for found in of_genre(tracks, "hip hop")] == ["a"]
    assert of_genre(tracks, "") == []
