"""`similar` and `path` on the command line."""

import re
import shutil
from pathlib import Path

import pytest

import service
from audio_engine.cli.similar import weighted
from audio_engine.search.neighbours import WEAK_SIMILARITY
from tests.audio_engine.cli.music import STRANGE_NAME, sounds, write_sound
from tests.command_line import Ran, Run


def test_the_answer_is_a_table_of_rank_similarity_artist_title_length_path(
    run: Run, music: Path, embedded: Path
) -> None:
    ran = run("similar", music / "noise.flac", "-c", embedded, "-k", "3")
    heading, rule, first, *others = ran.out.splitlines()
    assert heading.split() == ["rank", "similarity", "artist", "title", "length", "path"]
    assert set(rule.strip()) == {"─"}
    assert first.split()[0] == "1"
    assert 1 <= len(others) + 1 <= 3
    assert "noise.flac" not in ran.out


def test_a_track_may_be_an_id_or_a_file_from_anywhere(run: Run, music: Path, embedded: Path, tmp_path: Path) -> None:
    [track] = [row for row in run("tracks", "-c", embedded, "--json").objects if row["title"] == "Tone"]
    by_path = run("similar", music / "tone.flac", "-c", embedded, "--json").objects
    assert by_path
    assert run("similar", track["track_id"], "-c", embedded, "--json").objects == by_path
    stranger = write_sound(tmp_path / "stranger.flac", sounds()["tone"] + 0.01 * sounds()["noise"])
    assert run("similar", stranger, "-c", embedded, "-k", "1", "--json").objects[0]["rank"] == 1


def test_answers_for_programs_carry_tags_and_copies(run: Run, music: Path, embedded: Path) -> None:
    neighbours = run("similar", music / "noise.flac", "-c", embedded, "--json").objects
    assert [row["rank"] for row in neighbours] == list(range(1, len(neighbours) + 1))
    similarities = [row["similarity"] for row in neighbours]
    assert similarities == sorted(similarities, reverse=True)
    for row in neighbours:
        assert {"track_id", "artist", "title", "album", "genre", "year", "duration_s", "path", "copies"} <= set(row)


def test_artists_are_left_out_or_capped(run: Run, music: Path, embedded: Path) -> None:
    def artists(*options: str) -> list[object]:
        answer = run("similar", music / "clicks.flac", "-c", embedded, "--json", *options)
        return [row["artist"] for row in answer.objects]

    assert "Noise Makers" in artists()
    assert "Noise Makers" not in artists("--not-same-artist")
    assert artists("--max-per-artist", "1").count("Tuners") == 1


def test_an_answer_can_be_bounded_by_artist_length_and_folder(run: Run, music: Path, embedded: Path) -> None:
    def ask(*options: str | Path) -> Ran:
        return run("similar", music / "tone.flac", "-c", embedded, "--json", *options)

    ran = ask("--not-artist", "tuners", "--min-duration", "1", "--max-duration", "9", "--folder", music, "-k", "2")
    assert ran.status == 0
    assert {each["artist"] for each in ran.objects} == {"Noise Makers"}
    assert len(ran.objects) == 2
    weak = f"nothing here sounds much like it (best {ran.objects[0]['similarity']:.2f})\n"
    assert ran.err == weak
    short = ask("--not-artist", "tuners")
    assert len(short.objects) == 2
    assert short.err == f"2 of 10: no more tracks fit\n{weak}"


@pytest.mark.parametrize(
    "options", [["--genre", "polka"], ["--year-from", "1990", "--year-to", "1999"], ["--folder", "/nowhere"]]
)
def test_an_answer_that_nothing_fits_is_empty_and_says_so(
    run: Run, music: Path, embedded: Path, options: list[str]
) -> None:
    ran = run("similar", music / "tone.flac", "-c", embedded, *options)
    assert (ran.status, ran.out) == (0, "")
    unknown = "no track has the genre polka: no track here has a genre\n" if "polka" in options else ""
    assert ran.err == f"0 of 10: no more tracks fit\n{unknown}"


def test_an_answer_can_be_saved_as_a_playlist(run: Run, music: Path, embedded: Path, tmp_path: Path) -> None:
    ran = run("similar", music / "noise.flac", "-c", embedded, "-k", "2", "--m3u", tmp_path / "out.m3u")
    assert f"tracks written to {tmp_path / 'out.m3u'}" in ran.err
    assert (tmp_path / "out.m3u").read_text().startswith("#EXTM3U\n#EXTINF:3,")


def test_a_playlist_leaves_out_what_is_gone_and_says_so(run: Run, catalogue: Path, tmp_path: Path) -> None:
    write_sound(tmp_path / "low.flac", sounds()["tone"] + 0.3 * sounds()["sweep"])
    write_sound(tmp_path / "gone.flac", sounds()["chord"] + sounds()["noise"])
    run("embed", tmp_path, "-c", catalogue)
    gone = tmp_path / "gone.flac"
    gone.unlink()
    m3u = tmp_path / "out.m3u"
    for words in (
        ["similar", tmp_path / "low.flac"],
        ["path", tmp_path / "low.flac", gone],
        ["recall", "--liked", tmp_path / "low.flac"],
    ):
        ran = run(*words, "-c", catalogue, "--m3u", m3u)
        assert ran.status == 0
        assert "gone.flac" in ran.out
        n_listed = m3u.read_text().count("#EXTINF")
        assert f"{n_listed} tracks written to {m3u}\n" in ran.err
        assert f"1 of {n_listed + 1} left out, since their files are not there: {gone}\n" in ran.err
        assert "gone.flac" not in m3u.read_text()
        assert all(Path(line).exists() for line in m3u.read_text().splitlines() if not line.startswith(("#", "file:")))


def test_a_path_begins_at_one_track_and_ends_at_the_other(run: Run, music: Path, embedded: Path) -> None:
    steps = run("path", music / "tone.flac", music / "noise.flac", "-n", "3", "-c", embedded, "--json").objects
    assert (steps[0]["title"], steps[-1]["title"]) == ("Tone", "Noise")
    assert (steps[0]["similarity"], {len(step["copies"]) for step in steps}) == (1, {0})


def test_the_ends_of_a_path_are_two_tracks_of_the_catalogue(
    run: Run, music: Path, embedded: Path, tmp_path: Path
) -> None:
    stranger, tone = write_sound(tmp_path / "stranger.flac", sounds()["tone"] / 2), music / "tone.flac"
    for other, words in ((stranger, "no track of the catalogue has this id or path"), (tone, "must be two tracks")):
        ran = run("path", tone, other, "-c", embedded)
        assert (ran.status, ran.out, words in ran.err) == (2, "", True)


def test_a_file_of_any_name_can_be_asked_about(run: Run, music: Path, embedded: Path) -> None:
    assert run("similar", music / STRANGE_NAME, "-c", embedded, "--json").status == 0


def test_a_file_that_is_no_sound_is_one_line(run: Run, music: Path, embedded: Path) -> None:
    ran = run("similar", music / "broken.mp3", "-c", embedded)
    assert (ran.status, ran.out) == (1, "")
    assert len(ran.err.splitlines()) == 1


def test_an_answer_is_steered_by_further_tracks(run: Run, music: Path, embedded: Path) -> None:
    def ask(*options: str | Path) -> list[object]:
        ran = run("similar", music / "tone.flac", "-c", embedded, "--json", *options)
        assert ran.status == 0
        return [row["title"] for row in ran.objects]

    plain, noise = ask(), f"{music / 'noise.flac'}"
    assert "Noise" not in ask("--like", f"{noise}=0.5")
    assert ask("--like", f"{noise}=100")[0] == "Clicks"
    assert sorted([*ask("--unlike", noise), "Noise"]) == sorted(plain)
    assert ask("--variation", "0", "--seed", "3") == plain
    varied = {tuple(ask("--variation", "1", "--seed", str(seed))) for seed in range(4)}
    assert len(varied) > 1
    assert all(sorted(each) == sorted(plain) for each in varied)
    assert len(ask("--artist-gap", "5")) == 2  # there are two artists


def test_a_playlist_of_minutes_says_how_long_it_is(run: Run, music: Path, embedded: Path) -> None:
    ran = run("similar", music / "tone.flac", "-c", embedded, "--json", "--minutes", "0.11", "--diverse", "0.5")
    assert (len(ran.objects), ran.err) == (2, "2 tracks, 0.1 of 0.11 minutes\n")  # of three seconds each
    none = run("similar", music / "tone.flac", "-c", embedded, "--minutes", "0.01")
    assert (none.status, none.out, none.err) == (0, "", "0 tracks, 0.0 of 0.01 minutes\n")


def test_a_file_whose_name_ends_like_a_weight_is_a_file(run: Run, music: Path, embedded: Path, tmp_path: Path) -> None:
    odd = shutil.copy(music / "noise.flac", tmp_path / "noise=2")
    ran = run("similar", music / "tone.flac", "-c", embedded, "--json", "--unlike", odd, "--like", f"{odd}=0.1")
    assert "Noise" not in [row["title"] for row in ran.objects]
    assert weighted(f"{odd}=2") == (str(odd), 2.0)
    assert weighted(str(odd)) == (str(odd), 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--variation", "2"], "--variation"),
        (["--minutes", "0"], "minutes must be above 0"),
        (["--unlike", "nowhere=2"], "id or path: nowhere"),
        (["--like", "x=-1"], "weight of like 'x' must be above 0"),
    ],
)
def test_what_cannot_be_steered_is_refused_by_name(
    run: Run, music: Path, embedded: Path, options: list[str], message: str
) -> None:
    ran = run("similar", music / "tone.flac", "-c", embedded, *options)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err


def test_an_answer_that_does_not_sound_alike_says_so(run: Run, music: Path, embedded: Path) -> None:
    for name in sounds():
        ran = run("similar", music / f"{name}.flac", "-c", embedded, "--json")
        best = ran.objects[0]["similarity"]
        assert (f"nothing here sounds much like it (best {best:.2f})" in ran.err) == (best < WEAK_SIMILARITY)
    steps = run("path", music / "noise.flac", music / "tone.flac", "-n", "2", "-c", embedded, "--json")
    assert ("not every step" in steps.err) == (steps.objects[1]["similarity"] < WEAK_SIMILARITY)


def test_the_page_warns_from_the_same_similarity_on() -> None:
    pages = Path(service.__file__).parent / "page_files"
    found = [number for page in pages.glob("*.js") for number in re.findall(r"WEAK = ([\d.]+)", page.read_text())]
    assert {float(number) for number in found} == {WEAK_SIMILARITY}


def test_a_track_that_is_nowhere_is_named(run: Run, embedded: Path) -> None:
    ran = run("similar", "nosuch.mp3", "-c", embedded)
    assert (ran.status, ran.err) == (
        2,
        "error: no such file, and no track of the catalogue has this id or path: nosuch.mp3\n",
    )


def test_a_folder_is_no_track(run: Run, embedded: Path, tmp_path: Path) -> None:
    ran = run("similar", tmp_path, "-c", embedded)
    assert (ran.status, ran.err) == (
        2,
        f"error: a track must be one file or one track of the catalogue, got a folder: {tmp_path}\n",
    )
