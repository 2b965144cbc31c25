"""One log, whatever it calls its tracks, is the same plays to all who read it."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.paths import uri_of
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import DIM, Embedded
from audio_engine.cluster.export import export_parquet
from audio_engine.genre.labels import labels_of_table
from audio_engine.plays.tables import TrackTable, read_plays
from audio_engine.plays.track_matching import name_catalogue, name_tracks
from audio_engine.ranking.files import RankingFiles, _read_log, train_from_files
from audio_engine.ranking.track_tables import read_tracks_with_vectors, table_of
from audio_engine.recall.learn_users import prepare_log
from audio_engine.scoring.debiased_recommendations import read_log, read_log_with_vectors
from audio_engine.training.data import read_catalogue_tracks, split_tracks
from tests.command_line import Run

MODEL = "m1"
STEMS = ["Café", unicodedata.normalize("NFD", "Zoë"), "plain"]  # the second lies on disk in NFD
FILES = [f"album {i}/{stem}.flac" for i, stem in enumerate(STEMS)]
ROWS = [(f"u{user}", track, 10.0 + 3 * user + track) for user in range(2) for track in range(3) if user or track]
ACTIONS = ["like", "dislike", "none"]  # of all plays of a track, and its genre

Played = list[tuple[str, int, str]]  # user, track, action


def write_catalogue(folder: Path, files: list[str]) -> list[str]:
    """Write a catalogue of files that are not there, and its export; returns the ids of its tracks."""
    with Catalogue(folder / "catalogue") as catalogue:
        track_ids = catalogue.write(
            [
                Embedded(
                    path=folder / file,
                    content_hash=f"c{i}",
                    file_size=1,
                    mtime_ns=1,
                    tags=Tags(duration_s=100.0),
                    model_id=MODEL,
                    vector=np.eye(DIM, dtype=np.float32)[i],
                )
                for i, file in enumerate(files)
            ]
        )
        catalogue.set_model(MODEL)
        export_parquet(catalogue, folder / "vectors.parquet", MODEL)
    return track_ids


@pytest.fixture
def track_ids(tmp_path: Path) -> list[str]:
    ids = write_catalogue(tmp_path, FILES)
    names = [f"nom é {i}" for i in range(len(FILES))]
    pl.DataFrame({"track": names, "file": FILES}).write_parquet(tmp_path / "tracks.parquet")
    return ids


NAMES: dict[str, Callable[[Path, list[str]], list[str]]] = {
    "id": lambda folder, ids: ids,
    "path": lambda folder, ids: [str(folder / file) for file in FILES],
    "path, NFD": lambda folder, ids: [unicodedata.normalize("NFD", str(folder / file)) for file in FILES],
    "path, NFC": lambda folder, ids: [unicodedata.normalize("NFC", str(folder / file)) for file in FILES],
    "stem": lambda folder, ids: STEMS,
    "stem, NFD": lambda folder, ids: [unicodedata.normalize("NFD", stem) for stem in STEMS],
    "table": lambda folder, ids: [f"nom é {i}" for i in range(3)],
    "table, NFD": lambda folder, ids: [unicodedata.normalize("NFD", f"nom é {i}") for i in range(3)],
    "a mixture": lambda folder, ids: [ids[0], str(folder / FILES[1]), "nom é 2"],
}


def of_training(folder: Path, tracks: TrackTable, index: list[str]) -> Played:
    log, counts = read_plays(folder / "plays.parquet", {"u0": 0, "u1": 1}, tracks)
    assert counts.left_out == 0
    track = [index.index(tracks.track_ids[row]) for row in log.track]
    return [(f"u{user}", i, ACTIONS[i]) for user, i in zip(log.user, track, strict=True)]


def train_on_catalogue(folder: Path, ids: list[str]) -> Played:
    tracks = read_catalogue_tracks(folder / "catalogue", table=folder / "tracks.parquet")
    return of_training(folder, tracks, ids)


def train_on_tables(folder: Path, ids: list[str]) -> Played:
    table = pl.read_parquet(folder / "tracks.parquet")
    log = pl.read_parquet(folder / "plays.parquet")
    if log["track"].is_in(ids).any():  # where there is no catalogue, the table says what the ids are
        table = table.with_columns(
            track=pl.when(pl.Series(ids).is_in(log["track"])).then(pl.Series(ids)).otherwise("track")
        )
    table.write_parquet(folder / "ids.parquet")
    warm, _ = split_tracks(folder / "ids.parquet", folder)
    return of_training(folder, warm, table["track"].to_list())


def learn_users(folder: Path, ids: list[str]) -> Played:
    with Catalogue(folder / "catalogue") as catalogue:
        names = name_catalogue(catalogue.tracks(), table=folder / "tracks.parquet")
    prepared = prepare_log(folder / "plays.parquet", names, None)
    assert prepared.counts.left_out == 0
    plays = prepared.plays.collect().select("user", "row", "action").rows()
    return [(user, ids.index(names.track_ids[row]), action) for user, row, action in plays]


def rank_with_vectors(folder: Path, ids: list[str]) -> Played:
    table, names = read_tracks_with_vectors(folder / "tracks.parquet", folder / "vectors.parquet")
    assert [vector.index(1) for vector in table["vector"].to_list()] == [0, 1, 2]
    return ranked(folder, names, table["track"].to_list())


def rank_on_vectors_alone(folder: Path, ids: list[str]) -> Played:
    _, names = read_tracks_with_vectors(None, folder / "vectors.parquet")
    return ranked(folder, names, ids)


def ranked(folder: Path, names: object, index: list[str]) -> Played:
    log, counts = _read_log(folder / "plays.parquet", table_of(names))
    assert counts.left_out == 0
    return [(user, index.index(track), action) for user, track, action in log.select("user", "track", "action").rows()]


def score_debiased(folder: Path, ids: list[str]) -> Played:
    log, users, tracks, vectors = read_log_with_vectors(
        folder / "plays.parquet", folder / "vectors.parquet", folder / "tracks.parquet"
    )
    assert set(tracks) <= set(pl.read_parquet(folder / "plays.parquet")["track"])  # as the log writes them
    index = vectors.argmax(axis=1)
    return [(users[user], int(index[row]), ACTIONS[index[row]]) for user, row in zip(log.user, log.track, strict=True)]


READERS = [train_on_catalogue, train_on_tables, learn_users, rank_with_vectors, rank_on_vectors_alone, score_debiased]


@pytest.mark.parametrize(
    ("form", "reader"),
    [
        (form, reader)
        for form in NAMES
        for reader in READERS
        if reader is not rank_on_vectors_alone or not {"table", "mixture"} & set(form.replace(",", "").split())
    ],
)
def test_a_log_is_the_same_plays_by_whatever_name_and_to_every_reader(
    tmp_path: Path, track_ids: list[str], form: str, reader: Callable[[Path, list[str]], Played]
) -> None:
    names = NAMES[form](tmp_path, track_ids)
    columns = {"user": [], "track": [], "day": [], "action": []}
    for user, track, day in ROWS:
        for name, value in zip(columns, (user, names[track], day, ACTIONS[track]), strict=True):
            columns[name].append(value)
    pl.DataFrame(columns).write_parquet(tmp_path / "plays.parquet")
    assert sorted(reader(tmp_path, track_ids)) == [(user, track, ACTIONS[track]) for user, track, _ in sorted(ROWS)]


@pytest.mark.parametrize("form", NAMES)
def test_labels_name_their_tracks_as_a_log_does(tmp_path: Path, track_ids: list[str], form: str) -> None:
    labels = {"track_id": NAMES[form](tmp_path, track_ids), "genre": ACTIONS}
    pl.DataFrame(labels).write_parquet(tmp_path / "labels.parquet")
    with Catalogue(tmp_path / "catalogue") as catalogue:
        found = labels_of_table(
            tmp_path / "labels.parquet", catalogue.tracks(), audio=tmp_path, table=tmp_path / "tracks.parquet"
        )
    assert {label.track_id: label.genre for label in found.labels} == dict(
        zip(track_ids[:2], ACTIONS[:2], strict=True)  # "none" is no genre
    )
    assert (found.n_unlabelled, found.n_absent) == (1, 0)


def test_a_path_that_is_not_utf_8_is_known_by_its_uri_and_by_what_a_table_can_hold_of_it(tmp_path: Path) -> None:
    odd = os.fsdecode(b"odd \xff.flac")
    [track_id] = write_catalogue(tmp_path, [odd])
    with Catalogue(tmp_path / "catalogue") as catalogue:
        [track] = catalogue.tracks()
        names = name_catalogue([track])
    assert os.fsencode(track.path.name) == b"odd \xff.flac"
    exported = pl.read_parquet(tmp_path / "vectors.parquet")["path"].to_list()
    assert exported == [uri_of(track.path)]
    assert names.find([track_id, *exported, f"{tmp_path}/odd \ufffd.flac", "odd \ufffd", "odd"]) == [0, 0, 0, 0, None]
    assert read_tracks_with_vectors(None, tmp_path / "vectors.parquet")[1].find(["odd \ufffd", *exported]) == [0, 0]


def test_a_name_of_two_tracks_is_none_and_the_name_of_a_table_goes_first(tmp_path: Path) -> None:
    files = [Path("/a/01.mp3"), Path("/b/01.mp3"), Path("/b/02.mp3")]
    names = name_tracks(["x", "y", "02"], files=files)
    assert names.find(["01", "/b/01.mp3", "02", "x"]) == [None, 1, 2, 0]
    assert names.where(np.array([True, False, True])).find(["01", "02", "y"]) == [None, 1, None]
    assert names.preferring(pl.Series(["01", "x"]), [1, 1]).find(["01", "x", "y"]) == [1, 1, 1]
    assert names.find(["01.mp3", "b/01.mp3", "1.mp3"]) == [None, 1, None]  # where the folder is not known
    assert names.find(["01.mp3", "b/01.mp3"], start=Path("/a")) == [0, None]


def test_a_user_tower_knows_a_track_by_any_of_its_names_and_names_tracks_of_its_own() -> None:
    names = name_tracks(["x", "y"], files=[Path("/a/é.mp3"), Path("/a/b.mp3")])
    table = names.with_tower({unicodedata.normalize("NFD", "é"): 5, "elsewhere": 6})
    rows = {name: (row, tower_row) for name, row, tower_row in table.select("name", "row", "tower_row").rows()}
    assert rows == {
        **dict.fromkeys(["x", "/a/é.mp3", "é"], (0, 5)),
        **dict.fromkeys(["y", "/a/b.mp3", "b"], (1, None)),
        "elsewhere": (None, 6),
    }
    assert names.in_tower({"b": 2, "y": 3}).rows() == [(1, 3)]  # the best name counts


def test_two_spellings_in_one_log_are_one_track(tmp_path: Path) -> None:
    spellings = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    pl.DataFrame({"user": ["u", "v"], "track": spellings}).write_parquet(tmp_path / "plays.parquet")
    log, _, tracks = read_log(tmp_path / "plays.parquet")
    assert (log.track.tolist(), len(tracks)) == ([0, 0], 1)


def test_what_a_ranker_cannot_use_is_counted_and_it_is_asked_by_the_names_of_its_log(
    tmp_path: Path, track_ids: list[str], run: Run
) -> None:
    rng = np.random.default_rng(0)
    log = pl.DataFrame(
        {
            "user": [f"u{i}" for i in rng.integers(9, size=200)],
            "track": [(FILES[i] if i < 2 else track_ids[i]) for i in rng.integers(3, size=200)],
            "day": np.sort(rng.uniform(0, 50, 200)),
            "action": rng.choice(["like", "skip", "none"], 200),
        }
    ).with_columns(
        track=pl.when(pl.col("track").str.contains("/")).then(str(tmp_path) + "/" + pl.col("track")).otherwise("track")
    )
    odd = log.head(2).with_columns(action=pl.lit("danced"))
    pl.concat([log, odd]).write_parquet(tmp_path / "plays.parquet")
    files = RankingFiles(plays=tmp_path / "plays.parquet", vectors=tmp_path / "vectors.parquet")
    report = train_from_files(files, tmp_path / "ranker")
    assert (report.n_plays, report.n_left_out, report.left_out["unknown_action"]) == (200, 2, 2)
    assert report.n_tracks_with_vector == 3
    scores = []
    for form in ("path", "stem, NFD", "id"):
        pairs = {"user": ["u1"] * 3, "track": NAMES[form](tmp_path, track_ids), "name": ["kept"] * 3}
        pl.DataFrame(pairs).write_parquet(tmp_path / "pairs.parquet")
        assert (
            run(
                "rank", "score", tmp_path / "ranker", tmp_path / "pairs.parquet", "--out", tmp_path / "s.parquet"
            ).status
            == 0
        )
        scored = pl.read_parquet(tmp_path / "s.parquet")
        assert scored.drop("probability").equals(pl.read_parquet(tmp_path / "pairs.parquet"))
        scores.append(scored["probability"].to_list())
    assert scores[0] == scores[1] == scores[2]
    assert len(set(scores[0])) == 3


def test_copies_share_their_name_and_recordings_do_not(tmp_path: Path) -> None:
    files = [Path(f"/{album}/{stem}.mp3") for album in "ab" for stem in ("copied", "intro", "unread")]
    names = name_tracks("123456", files=files, content_hashes=["x", "i", None, "x", "j", None])
    assert names.find(["copied", "intro", "unread", "/b/intro.mp3"]) == [0, None, None, 4]
    assert names.shared.to_list() == ["intro", "unread"]
    pl.DataFrame({"user": "u", "track": ["copied", "intro", "intro", "none"]}).write_parquet(tmp_path / "plays.parquet")
    log = prepare_log(tmp_path / "plays.parquet", names, None)
    assert (log.n_good, log.n_shared, log.n_elsewhere, log.counts.unknown_track) == (1, 2, 0, 3)
    named = names.preferring(pl.Series(["intro"]), [4])  # a table says which one is meant
    assert prepare_log(tmp_path / "plays.parquet", named, None).n_shared == 0
