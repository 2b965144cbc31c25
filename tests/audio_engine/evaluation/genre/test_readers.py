import csv
import json

import polars as pl
import pytest
from torchaudio.datasets import gtzan

from audio_engine.evaluation.genre.dataset import Part
from audio_engine.evaluation.genre.official import read_ballroom, read_fma, read_gtzan, read_jamendo
from audio_engine.evaluation.genre.readers import read_folder, read_table
from tests.paths import SHARED

FMA_COLUMNS = {  # in the order of the released fma_metadata/tracks.csv
    "album": "comments date_created date_released engineer favorites id information listens producer tags title tracks "
    "type",
    "artist": "active_year_begin active_year_end associated_labels bio comments date_created favorites id latitude "
    "location longitude members name related_projects tags website wikipedia_page",
    "set": "split subset",
    "track": "bit_rate comments composer date_created date_recorded duration favorites genre_top genres genres_all "
    "information interest language_code license listens lyricist number publisher tags title",
}


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def write_rows(path, *rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return path


def test_a_folder_of_genres_gives_each_track_the_name_of_its_first_folder(tmp_path):
    for name in ("jazz/a.wav", "jazz/disc 2/b.mp3", "rock/c.flac", "rock/cover.jpg", "lying about.wav"):
        touch(tmp_path / name)
    dataset = read_folder(tmp_path / "jazz" / "..")
    assert [(track.path.name, track.genres) for track in dataset.tracks] == [
        ("a.wav", ("jazz",)),
        ("b.mp3", ("jazz",)),
        ("c.flac", ("rock",)),
    ]
    assert dataset.genres == ("jazz", "rock")
    assert {track.artist for track in dataset.tracks} == {None}


def test_a_folder_of_one_genre_is_refused(tmp_path):
    touch(tmp_path / "jazz" / "a.wav")
    with pytest.raises(ValueError, match="dataset must have at least two genres, got jazz"):
        read_folder(tmp_path)
    with pytest.raises(NotADirectoryError):
        read_folder(tmp_path / "nowhere")


def test_a_csv_and_a_parquet_file_of_the_same_rows_give_the_same_tracks(tmp_path):
    rows = pl.DataFrame(
        {
            "path": ["x/1.wav", "x/2.wav", "x/3.wav", "x/1.wav"],
            "genre": ["a", "b", "", "c"],
            "artist": ["Ann", "", "Bob", "Eve"],
        }  # of two rows for one path the first counts
    )
    touch(tmp_path / "x" / "1.wav")
    touch(tmp_path / "x" / "2.wav")
    rows.write_csv(tmp_path / "t.csv")
    rows.write_parquet(tmp_path / "t.parquet")
    from_csv, from_parquet = read_table(tmp_path / "t.csv"), read_table(tmp_path / "t.parquet")
    assert from_csv.tracks == from_parquet.tracks
    assert [(track.genres, track.artist) for track in from_csv.tracks] == [(("a",), "Ann"), (("b",), None)]


def test_spellings_of_one_genre_or_artist_are_one_in_a_table(tmp_path):
    rows = [("1.wav", "Rock", "Ann"), ("2.wav", "rock ", "ANN"), ("3.wav", "ROCK", "Bob"), ("4.wav", "Rock", "")]
    rows += [("5.wav", "Hip-Hop", "Beyonce\u0301"), ("6.wav", "hip hop", "Beyonc\u00e9"), ("7.wav", "  ", "Ann")]
    for name, _, _ in rows:
        touch(tmp_path / name)
    dataset = read_table(write_rows(tmp_path / "t.csv", ["path", "genre", "artist"], *rows))
    assert dataset.genres == ("Hip-Hop", "Rock")
    assert [track.genres[0] for track in dataset.tracks] == ["Rock"] * 4 + ["Hip-Hop"] * 2
    who = [track.artist for track in dataset.tracks]
    assert (who[0] == who[1], who[2:4], who[4] == who[5]) == (True, ["Bob", None], True)
    assert list(dataset.notes) == [
        "Spellings of one genre were put together: Hip-Hop, also written 'hip hop'.",
        "Spellings of one genre were put together: Rock, also written 'ROCK', 'rock '.",
    ]
    assert dataset.only(["ROCK", "Hip Hop"]).genres == ("Hip-Hop", "Rock")


def test_folders_and_files_may_be_named_in_either_form_of_unicode(tmp_path):
    for name in ("e\u0301lectro/a.wav", "\u00e9lectro/b.wav", "rock/c\u0327a.wav"):  # NFD, as macOS has it; NFC; NFD
        touch(tmp_path / "audio" / name)
    dataset = read_folder(tmp_path / "audio")
    assert dataset.genres == ("rock", "\u00e9lectro")
    assert (len(dataset.tracks), dataset.notes) == (3, ())
    for name in ("e\u0301lectro", "\u00c9LECTRO"):
        assert dataset.only([name, "rock"]).tracks == dataset.tracks
    rows = [("rock/\u00e7a.wav", "rock"), ("e\u0301lectro/b.wav", "x"), ("\u00e9lectro/a.wav", "x")]
    table = read_table(write_rows(tmp_path / "t.csv", ["path", "genre"], *rows))
    assert [track.path.name for track in table.tracks] == ["c\u0327a.wav", "b.wav", "a.wav"]
    assert all(track.path.is_file() for track in table.tracks)


def test_a_table_whose_file_is_missing_names_it(tmp_path):
    write_rows(tmp_path / "t.csv", ["path", "genre"], ["gone.wav", "a"], ["lost.wav", "b"])
    with pytest.raises(FileNotFoundError, match=r"gone\.wav"):
        read_table(tmp_path / "t.csv")


def test_a_table_without_genres_is_refused(tmp_path):
    write_rows(tmp_path / "t.csv", ["path", "style"], ["a.wav", "a"])
    with pytest.raises(ValueError, match="must have columns path"):
        read_table(tmp_path / "t.csv")


@pytest.mark.skipif(not (SHARED / "genre").is_dir(), reason="the shared music is not here")
def test_the_shared_table_is_read_as_it_is_and_can_be_narrowed():
    dataset = read_table(SHARED / "genre" / "tracks.parquet")
    assert len(dataset.tracks) == 119
    honest = dataset.only(["baroque", "classical", "romantic"])
    assert honest.genres == ("baroque", "classical", "romantic")
    assert all(track.artist and track.path.is_file() for track in honest.tracks)
    with pytest.raises(ValueError, match="genres must be among baroque"):
        dataset.only(["polka"])


def test_fma_is_read_by_subset_with_its_zero_padded_paths_and_its_split(tmp_path):
    headings = [(group, name) for group, names in FMA_COLUMNS.items() for name in names.split()]

    def row(track, subset, split, genre, artist):
        values = {("set", "subset"): subset, ("set", "split"): split, ("track", "genre_top"): genre}
        values |= {("artist", "id"): artist, ("artist", "bio"): "<p>two\nlines, and a comma</p>"}
        return [track, *(values.get(heading, "") for heading in headings)]

    write_rows(
        tmp_path / "fma_metadata" / "tracks.csv",
        ["", *(group for group, _ in headings)],
        ["", *(name for _, name in headings)],
        ["track_id", *[""] * len(headings)],
        row(2, "small", "training", "Hip-Hop", 1),
        row(140, "small", "validation", "Folk", 54),
        row(1_039, "medium", "test", "Rock", 54),
        row(99_999, "large", "test", "Rock", 7),
        row(155_320, "small", "test", "Folk", 9),
        row(3, "medium", "test", "", 9),
    )
    touch(tmp_path / "fma_small" / "000" / "000002.mp3")
    touch(tmp_path / "fma_medium" / "000" / "000002.mp3")
    small, medium = read_fma(tmp_path, subset="small"), read_fma(tmp_path, subset="medium")
    assert [str(track.path.relative_to(tmp_path)) for track in small.tracks] == [
        "fma_small/000/000002.mp3",
        "fma_small/000/000140.mp3",
        "fma_small/155/155320.mp3",
    ]
    assert [track.parts for track in small.tracks] == [(Part.TRAIN,), (Part.VALID,), (Part.TEST,)]
    assert [track.artist for track in small.tracks] == ["1", "54", "9"]
    assert medium.genres == ("Folk", "Hip-Hop", "Rock")
    assert len(medium.tracks) == 4
    with pytest.raises(ValueError, match="subset must be one of small"):
        read_fma(tmp_path, subset="tiny")


def test_jamendo_gives_each_track_its_tags_and_its_part_in_each_of_five_splits(tmp_path):
    heading = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
    rows = {
        "214": ["track_0000214", "artist_000014", "album_000031", "14/214.mp3", "124.6", "genre---punkrock"],
        "2634": [
            *("track_0002634", "artist_000379", "album_000412", "34/2634.mp3", "62.4"),
            *("genre---folk", "genre---instrumentalpop"),
        ],
        "215": ["track_0000215", "artist_000014", "album_000031", "15/215.mp3", "151.4", "genre---metal"],
    }
    for number in range(5):
        folder = tmp_path / "data" / "splits" / f"split-{number}"
        in_turn = [*rows][number % 3 :] + [*rows][: number % 3]
        for part, name in zip(("train", "validation", "test"), in_turn, strict=True):
            held = [] if (number, part) == (4, "validation") else [rows[name]]
            write_rows(folder / f"autotagging_genre-{part}.tsv", heading, *held, delimiter="\t")
    touch(tmp_path / "audio" / "14" / "214.mp3")
    touch(tmp_path / "audio" / "34" / "2634.low.mp3")
    dataset = read_jamendo(tmp_path)
    by_name = {track.path.name: track for track in dataset.tracks}
    assert dataset.is_multilabel
    assert dataset.n_splits == 5
    assert dataset.genres == ("folk", "instrumentalpop", "metal", "punkrock")
    assert by_name["2634.low.mp3"].genres == ("folk", "instrumentalpop")
    assert by_name["214.mp3"].artist == "artist_000014"
    assert by_name["214.mp3"].parts == (Part.TRAIN, Part.TEST, Part.VALID, Part.TRAIN, Part.TEST)
    assert by_name["215.mp3"].parts[4] is Part.LEFT_OUT


@pytest.fixture
def mirdata_index(tmp_path, monkeypatch):
    """Put an index where mirdata looks for it: the real one is on Zenodo."""
    datasets = pytest.importorskip("mirdata.datasets", reason="mirdata is not installed", exc_type=ImportError)

    def lay(name, tracks):
        __import__(f"mirdata.datasets.{name}")
        module = getattr(datasets, name)
        index = module.INDEXES[module.INDEXES["default"]]
        monkeypatch.setattr(index, "indexes_dir", str(tmp_path))
        (tmp_path / index.filename).write_text(json.dumps({"version": "1.0", "tracks": tracks}), encoding="utf-8")

    return lay


@pytest.mark.filterwarnings("ignore")  # mirdata's own imports
def test_gtzan_comes_through_mirdata_with_the_fault_filtered_split(tmp_path, mirdata_index):
    names = ["blues.00029", "blues.00000", "hiphop.00000", "disco.00000"]
    files = {name: f"gtzan_genre/genres/{name.split('.')[0]}/{name}.wav" for name in names}
    no_file = [None, None]
    mirdata_index(
        "gtzan_genre",
        {name: {"audio": [file, "0" * 32], "beats": no_file, "tempo": no_file} for name, file in files.items()},
    )
    for file in files.values():
        touch(tmp_path / file)
    artists = write_rows(tmp_path / "artists.csv", ["file", "artist"], ["blues.00000.wav", "John Lee Hooker"])
    tracks = {track.path.stem: track for track in read_gtzan(tmp_path, artists=artists).tracks}
    assert tracks["blues.00029"].parts == (Part.TRAIN,)
    assert tracks["hiphop.00000"].genres == ("hip-hop",)
    assert tracks["blues.00000"].artist == "John Lee Hooker"
    assert tracks["disco.00000"].artist is None


def test_the_fault_filtered_split_has_the_sizes_of_its_paper():
    lists = [set(gtzan.filtered_train), set(gtzan.filtered_valid), set(gtzan.filtered_test)]
    assert [len(names) for names in lists] == [443, 197, 290]
    assert len(set.union(*lists)) == 443 + 197 + 290


@pytest.mark.filterwarnings("ignore")
def test_gtzan_without_its_index_says_how_to_get_it(tmp_path, monkeypatch):
    gtzan_genre = pytest.importorskip("mirdata.datasets.gtzan_genre", exc_type=ImportError)
    monkeypatch.setattr(gtzan_genre.INDEXES["1.0"], "indexes_dir", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"mirdata.initialize\('gtzan_genre'.*download"):
        read_gtzan(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_ballroom_comes_through_mirdata_with_its_dances(tmp_path, mirdata_index):
    files = {name: f"B_1.0/audio/BallroomData/{name}" for name in ("Jive/Albums-A.wav", "Tango/Albums-B.wav")}
    mirdata_index(
        "ballroom",
        {
            name.split("/")[1]: {"audio": [file, "0" * 32], "beats": [None, None], "tempo": [None, None]}
            for name, file in files.items()
        },
    )
    for file in files.values():
        touch(tmp_path / file)
    assert [track.genres for track in read_ballroom(tmp_path).tracks] == [("jive",), ("tango",)]
