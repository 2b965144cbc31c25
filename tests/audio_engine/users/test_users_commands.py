"""The commands of ``users`` on a real catalogue: what they print, what they write, and what they refuse."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from audio_engine import Engine
from audio_engine.users.taste_store import TasteStore
from audio_engine.users.user_profiles import UserProfiles
from tests.audio_engine.users.planted import GENRES, N_USERS, SHORT
from tests.command_line import Run


@pytest.fixture
def copied(listened: Path, tmp_path: Path) -> Path:
    """A copy of the catalogue, for tests that change it."""
    return shutil.copytree(listened / "catalogue", tmp_path / "catalogue")


def test_profiles_name_the_loved_genre_first_and_the_disliked_last(listened: Path, run: Run, tmp_path: Path) -> None:
    ran = run("users", "profile", "u04", "-c", listened / "catalogue", "--json")
    rows = [row for row in ran.objects if row["dimension"] == "genre"]
    assert [row["value"] for row in rows] == ["Chiptune", "Plucked", "Drums"]
    assert rows[0]["preference"] > 0.5
    assert rows[-1]["preference"] < 0
    assert 0.3 < rows[0]["confidence"] < 1
    assert {row["dimension"] for row in ran.objects} == {"artist", "genre", "sound", "track"}
    for_people = run("users", "profile", "u04", "-c", listened / "catalogue")
    assert for_people.status == 0
    assert "Chiptune" in for_people.out
    assert ", by " in for_people.out
    out = tmp_path / "profiles.parquet"
    assert run("users", "profile", "--out", out, "-c", listened / "catalogue").status == 0
    whole = pl.read_parquet(out)
    assert whole["user"].n_unique() == N_USERS + 1
    assert whole.filter(user="u04", dimension="genre")["value"].to_list() == [row["value"] for row in rows]


def test_updates_in_parts_equal_one_of_all_plays(listened: Path, copied: Path, run: Run, tmp_path: Path) -> None:
    plays = pl.read_parquet(listened / "plays.parquet")
    for part in (1, 0):  # late plays last
        plays.filter(part=part).write_parquet(tmp_path / f"part{part}.parquet")
        rebuild = ["--rebuild"] * part
        ran = run("users", "update", tmp_path / f"part{part}.parquet", "-c", copied, "--json", *rebuild)
        assert ran.objects[0]["n_added"] == plays.filter(part=part).height
    assert ran.objects[0]["n_plays"] == plays.height
    with Engine.open(copied) as updated, Engine.open(listened / "catalogue") as whole:
        ours, theirs = (UserProfiles(each.catalogue, each.models) for each in (updated, whole))
        assert_frame_equal(
            pl.concat(ours.profiles()).sort("user", "dimension", "value"),
            pl.concat(theirs.profiles()).sort("user", "dimension", "value"),
            abs_tol=1e-9,
        )
        assert_frame_equal(ours.personas().sort("user"), theirs.personas().sort("user"), abs_tol=1e-5)
    again = run("users", "update", tmp_path / "part0.parquet", "-c", copied)
    assert again.status == 2
    assert "was added as part0.parquet" in again.err


def test_an_update_without_plays_reads_tags_and_sounds_again(copied: Path, run: Run) -> None:
    before = run("users", "profile", "u04", "-c", copied, "--json").objects
    report = run("users", "update", "-c", copied, "--json").objects[0]
    assert (report["n_added"], report["n_users"]) == (0, N_USERS + 1)
    assert run("users", "profile", "u04", "-c", copied, "--json").objects == before


def test_a_table_of_tracks_adds_languages_and_names(copied: Path, listened: Path, run: Run, tmp_path: Path) -> None:
    with Engine.open(copied) as engine:
        tracks = engine.tracks()
    table = pl.DataFrame(
        {
            "track": [f"song {number}" for number in range(len(tracks))],
            "path": [str(track.path) for track in tracks],
            "language": ["de" if track.tags.genre == "Drums" else "fr" for track in tracks],
            "artist_key": ["one artist"] * len(tracks),
        }
    )
    table.write_csv(tmp_path / "tracks.csv")
    names = dict(zip((track.track_id for track in tracks), table["track"], strict=True))
    plays = pl.read_parquet(listened / "plays.parquet").with_columns(pl.col("track").replace(names))
    plays.write_parquet(tmp_path / "named.parquet")
    ran = run(
        "users", "update", tmp_path / "named.parquet", "-c", copied, "--tracks", tmp_path / "tracks.csv", "--rebuild"
    )
    assert ran.status == 0
    rows = run("users", "profile", "u02", "-c", copied, "--json").objects
    assert [row["value"] for row in rows if row["dimension"] == "language"] == ["de", "fr"]
    assert [row["value"] for row in rows if row["dimension"] == "artist"] == ["one artist"]


def test_circles_tell_what_their_members_love(listened: Path, run: Run, tmp_path: Path) -> None:
    arguments = ("users", "circles", listened / "users.parquet", "-c", listened / "catalogue")
    rows = run(*arguments, "--json").objects
    assert {row["attribute"] for row in rows} == {"circle", "age_band"}  # joined_day is a number
    first = {
        row["circle"]: row for row in reversed(rows) if row["dimension"] == "genre" and row["attribute"] == "circle"
    }
    for genre in GENRES:
        assert first[f"lovers of {genre}"]["value"] == genre
        assert first[f"lovers of {genre}"]["lift"] > 1
    out = tmp_path / "circles.parquet"
    ran = run(*arguments, "--out", out, "--attribute", "circle+age_band", "--dimension", "genre")
    assert ran.status == 0
    assert set(pl.read_parquet(out)["attribute"]) == {"circle+age_band"}
    assert "lifts lie above 1" in run(*arguments).err
    assert "got 'tempo'" in run(*arguments, "--dimension", "tempo").err
    assert run("users", "circles", tmp_path / "none.parquet", "-c", listened / "catalogue").status == 2


def test_tiers_are_printed_written_and_overridden(listened: Path, run: Run, tmp_path: Path) -> None:
    arguments = ("users", "tiers", "-c", listened / "catalogue", "--users", listened / "users.parquet")
    shown = run("users", "tiers", "--show-rules").out
    rules = tmp_path / "rules.toml"
    rules.write_text(shown.replace("core_assets = { quantile = 0.5 }", "core_assets = 1"), encoding="utf-8")
    people = run(*arguments, "--rules", rules, "--out", tmp_path / "tiers.parquet")
    assert people.status == 0
    assert "core active" in people.out
    assert "quantile 0.5" in people.out
    table = pl.read_parquet(tmp_path / "tiers.parquet")
    assert table["user"].n_unique() == N_USERS + 2
    assert table.filter(user="never")["tier"].to_list() == ["not seen"]
    assert table.filter(user=SHORT)["tier"].to_list() == ["not seen"]  # three plays, long ago
    assert {row["tier"] for row in run(*arguments, "--json").objects} >= {"core active", "not seen"}
    rules.write_text("[activity]\ncore_asset = 1", encoding="utf-8")
    assert run(*arguments, "--rules", rules).status == 2


def test_a_persona_is_printed_and_drawn(listened: Path, run: Run, tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed: pip install '.[card]'")
    card = tmp_path / "card.png"
    ran = run("users", "persona", "u03", "-c", listened / "catalogue", "--card", card, "--name", "Anna $x_1$ 音楽 🎵")
    assert ran.status == 0
    assert "★" in ran.out
    drawn = image.imread(card)
    assert drawn.shape[:2] == (1350, 1080)
    assert drawn[..., :3].std() > 0.05
    values = run("users", "persona", "u03", "-c", listened / "catalogue", "--json").objects[0]
    assert min(trait["stars"] for trait in values["traits"]) >= 1
    out = tmp_path / "personas.parquet"
    assert run("users", "persona", "--out", out, "-c", listened / "catalogue").status == 0
    assert pl.read_parquet(out).filter(user="u03")["explorer_stars"][0] == values["traits"][0]["stars"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("profile", "nobody"), "user must be a user of the plays that were added, got 'nobody'"),
        (("persona", SHORT), "20 plays or more for a persona, got 3"),
        (("profile",), "name a user, or --out FILE for all"),
        (("persona", "--out", "x.parquet", "--card", "card.png"), "goes with USER"),
        (("profile", "u01", "--today", "3"), "today must be a day from"),
        (("update", "--rebuild"), "goes with PLAYS"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(listened: Path, run: Run, arguments: tuple[str, ...], words: str) -> None:
    ran = run("users", *arguments, "-c", listened / "catalogue")
    assert ran.status == 2
    assert words in ran.err


def test_without_profiles_the_command_that_makes_them_is_named(genre_world: Path, run: Run) -> None:
    ran = run("users", "profile", "u01", "-c", genre_world / "catalogue")
    assert ran.status == 2
    assert "audio-engine users update PLAYS" in ran.err


@pytest.mark.slow
def test_a_killed_update_leaves_the_profiles_as_they_were(
    copied: Path, listened: Path, run: Run, tmp_path: Path
) -> None:
    before = run("users", "profile", "u04", "-c", copied, "--json").objects
    many = pl.concat([pl.read_parquet(listened / "plays.parquet")] * 300)
    many.write_parquet(tmp_path / "many.parquet")
    command = [
        sys.executable,
        "-m",
        "audio_engine.cli.main",
        "users",
        "update",
        tmp_path / "many.parquet",
        "-c",
        copied,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(copied.glob(".profiles.*.part/tastes.sqlite")):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -9
    assert run("users", "profile", "u04", "-c", copied, "--json").objects == before
    plays = tmp_path / "more.parquet"
    pl.read_parquet(listened / "plays.parquet").with_columns(pl.col("day") + 1).write_parquet(plays)
    assert run("users", "update", plays, "-c", copied).status == 0
    assert list(copied.glob(".profiles.*")) == []


def test_a_profile_and_a_persona_are_worked_out_once_an_update(
    copied: Path, listened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noting(store: TasteStore, user: str) -> pl.DataFrame:
        asked.append(user)
        return read_user(store, user)

    read_user = TasteStore.user
    monkeypatch.setattr(TasteStore, "user", noting)
    with Engine.open(copied) as engine:
        profiles = UserProfiles(engine.catalogue, engine.models)
        before = profiles.persona("u04"), profiles.favourites("u04")
        assert (profiles.persona("u04"), profiles.favourites("u04")) == before
        assert asked == ["u04"] * 2  # for the persona and the profile, once each
        assert profiles.persona("u03") != before[0]
        plays = pl.read_parquet(listened / "plays.parquet").filter(user="u04").with_columns(pl.col("day") + 1)
        plays.write_parquet(more := copied.with_name("more.parquet"))
        profiles.update(more)
        assert profiles.persona("u04").n_plays > before[0].n_plays
        assert len(profiles.profile("u04", today=1_000.0)) == len(profiles.profile("u04"))
    assert asked == ["u04", "u04", "u03", "u04", "u04", "u04"]
