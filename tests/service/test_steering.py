"""Steered answers over HTTP, by the client, and on the page in real Chromium."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from audio_engine import Client, Engine, Steering, TrackFilter, UnknownTrackError
from tests.genre_world import play
from tests.service.browser import visiting
from tests.service.serving import assert_problem, flac, wait_for
from tests.service.test_similar import some_ids

STEERING = Steering(variation=0.4, seed=3, diverse=0.2, artist_gap=1, minutes=0.4)


@pytest.fixture
def page(browser: Any, client: httpx.Client) -> Iterator[Any]:
    with visiting(browser, str(client.base_url)) as page:
        yield page


def test_a_steered_answer_is_the_engines(client: httpx.Client, catalogue: Path) -> None:
    [track_id], [liked], [unliked] = (some_ids(client, genre, 1) for genre in ("Drums", "Plucked", "Chiptune"))
    asked: dict[str, Any] = {"like": {liked: 0.5}, "unlike": {unliked: 2}, "steering": STEERING, "max_per_artist": 2}
    with Client(str(client.base_url)) as asking, Engine.open(catalogue) as engine:
        answer, expected = asking.similar(track_id, **asked), engine.similar(track_id, **asked)
        again = asking.similar(track_id, **asked)
        filtered = asking.similar(track_id, k=4, unlike={unliked: 1}, where=TrackFilter(genre="plucked"))
    assert [each.track.track_id for each in answer.neighbours] == [each.track.track_id for each in expected]
    assert [each.similarity for each in answer.neighbours] == [each.similarity for each in expected]
    assert answer == again
    assert [each.track_id for each in answer.seeds] == [track_id, liked]
    assert [each.track_id for each in answer.unlike] == [unliked]
    assert {each.track.genre for each in filtered.neighbours} == {"Plucked"}
    assert len(filtered.neighbours) == 4


def test_a_file_is_steered_by_the_fields_of_a_form(client: httpx.Client, catalogue: Path, tmp_path: Path) -> None:
    (tmp_path / "song.flac").write_bytes(flac(play("Drums", 7, 7)))
    asked: dict[str, Any] = {"like": dict.fromkeys(some_ids(client, "Plucked", 2), 1.5), "steering": STEERING}
    with Client(str(client.base_url)) as asking, Engine.open(catalogue) as engine:
        answer = asking.similar(tmp_path / "song.flac", **asked)
        expected = engine.similar(tmp_path / "song.flac", **asked)
    assert [each.track.track_id for each in answer.neighbours] == [each.track.track_id for each in expected]
    assert answer.seeds[0].file == "song.flac"


def test_minutes_fill_a_playlist_and_what_is_lacking_is_flagged(client: httpx.Client) -> None:
    track_ids = some_ids(client, "Drums", 1)  # the tracks have three seconds each

    def asked(**how: object) -> tuple[int, list[str]]:
        reply = client.post("/v1/similar", json={"track_ids": track_ids, **how}).json()
        return len(reply["neighbours"]), reply["flags"]

    assert asked(minutes=0.61) == (12, [])
    assert asked(minutes=0.61, k=3) == (3, [])
    n_recordings, flags = asked(k=50)
    assert (n_recordings > 12, flags) == (True, [])
    assert asked(minutes=60) == (n_recordings, ["too_few_results"])
    assert asked(artist_gap=9, k=50)[1] == ["too_few_results"]


def test_a_seed_that_is_not_there_or_a_number_out_of_range_is_refused(client: httpx.Client) -> None:
    track_ids = some_ids(client, "Drums", 1)

    def asked(**how: object) -> httpx.Response:
        return client.post("/v1/similar", json={"track_ids": track_ids, **how})

    assert "nowhere" in assert_problem(asked(unlike={"nowhere": 1}), 404, "unknown_track")
    for wrong in (
        {"like": {"a": 0}},
        {"unlike": {"a": 101}},
        {"like": ["a"]},
        {"like": {"a" * 65: 1}},
        {"variation": 1.1},
        {"diverse": "much"},
        {"artist_gap": -1},
        {"minutes": 0},
        {"minutes": 1_441},
        {"seed": 2**63},
    ):
        assert next(iter(wrong)) in assert_problem(asked(**wrong), 422, "invalid_request")
    form = {"file": ("a.flac", flac(play("Drums", 7, 7)))}
    for text in ("{", "[1]", "null"):
        reply = client.post("/v1/similar", files=form, data={"like": text})
        assert "like" in assert_problem(reply, 422, "invalid_request")
    with Client(str(client.base_url)) as asking, pytest.raises(UnknownTrackError):
        asking.similar(track_ids[0], like={"nowhere": 1})


# The page


def search(page: Any, text: str) -> None:
    page.get_by_label("Search the catalogue").fill(text)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    listed(page)


def listed(page: Any) -> list[str]:
    """Wait for the answer with its explanations; give the titles."""
    page.get_by_role("button", name=re.compile("^Hear the seconds")).first.wait_for()
    titles: list[str] = page.locator("#neighbours .title").all_text_contents()
    return titles


def answered(page: Any, act: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Do something that asks the service; give the question and its answer, not those for the explanations."""

    def is_answer(reply: Any) -> bool:
        return bool(reply.url.endswith("/v1/similar") and "explanation" not in reply.request.post_data)

    with page.expect_response(is_answer) as caught:
        act()
    told = caught.value.json()
    titles = [each["track"]["title"] for each in told["neighbours"]]
    wait_for(lambda: page.locator("#neighbours .title").all_text_contents() == titles)
    return json.loads(caught.value.request.post_data), told


def test_an_answer_is_steered_by_ear_and_its_address_says_so(page: Any) -> None:
    search(page, "drums 1 0")
    first, last = page.locator("#neighbours .title").nth(0).text_content(), "Chiptune 0 0"
    plain = listed(page)
    page.get_by_label("Search the catalogue").fill("")

    question, told = answered(page, page.get_by_role("button", name=f"Less like {first}").click)
    assert first not in [each["track"]["title"] for each in told["neighbours"]]
    assert page.locator("#steered li").all_text_contents() == [f"Less like {first}✕"]
    assert page.evaluate("document.activeElement.id") == "answer"
    second = page.locator("#neighbours .title").nth(4).text_content()
    question, told = answered(page, page.get_by_role("button", name=f"More like {second}").click)
    assert [[*question[way].values()] for way in ("like", "unlike")] == [[1], [1]]
    assert page.locator("#steered li").all_text_contents() == [f"More like {second}✕", f"Less like {first}✕"]
    assert page.locator("#query .title").text_content() == "Drums 1 0"
    shown = page.locator("#neighbours .title").all_text_contents()

    page.reload()  # the address says what was asked
    assert listed(page) == shown
    assert page.locator("#steered li").count() == 2
    answered(page, page.get_by_role("button", name=f"No longer less like {first}").click)
    assert page.locator("#steered li").all_text_contents() == [f"More like {second}✕"]
    answered(page, page.go_back)
    assert page.locator("#steered li").count() == 2
    answered(page, page.get_by_role("button", name="Take all back").click)
    assert listed(page) == plain
    assert page.locator("#steered").is_hidden()
    assert page.get_by_role("button", name="Take all back").is_hidden()
    assert "like" not in page.url
    answered(page, page.go_back)
    assert page.locator("#steered li").count() == 2
    search(page, last.lower())  # another song begins anew
    assert page.locator("#steered").is_hidden()


def test_sliders_minutes_and_another_list(page: Any) -> None:
    search(page, "drums 1 0")
    plain = listed(page)
    page.locator("summary").click()
    assert page.get_by_role("button", name="Another list").is_hidden()
    page.get_by_label("Chance").fill("1")
    page.get_by_label("Diversity").fill("0.25")
    assert page.locator(".filters .value").all_text_contents() == ["100 %", "25 %"]
    page.get_by_label("Length of the playlist").fill("0.61")
    page.get_by_label("Places before an artist").fill("1")
    page.get_by_label("Length of the playlist").evaluate("each => each.min = 0")  # of tracks of three seconds
    question, told = answered(page, page.get_by_role("button", name="Apply").click)
    assert {name: float(question[name]) for name in ("variation", "diverse", "minutes", "artist_gap", "seed")} == {
        "variation": 1,
        "diverse": 0.25,
        "minutes": 0.61,
        "artist_gap": 1,
        "seed": 0,
    }
    assert "k" not in question
    assert "Nothing here sounds" not in page.locator("#verdict").text_content()  # nearer ones may have been passed over
    assert page.locator("#n-filters").text_content() == "4 set"
    n = len(told["neighbours"])
    assert page.locator("#list-title").text_content().endswith(f": {n} tracks, 0.6 minutes")
    before = listed(page)
    question, _ = answered(page, page.get_by_role("button", name="Another list").click)
    assert question["seed"] == 1
    assert listed(page) != before
    answered(page, page.get_by_role("button", name="Clear").click)
    assert listed(page) == plain
    assert page.locator(".filters .value").all_text_contents() == ["0 %", "0 %"]


def test_a_dropped_file_is_steered_too(page: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.flac").write_bytes(flac(play("Drums", 7, 7)))
    page.get_by_label("Drop a sound file here").set_input_files(tmp_path / "mine.flac")
    first = listed(page)[0]
    page.get_by_role("button", name=f"Less like {first}").click()
    page.locator("#steered li").wait_for()
    assert first not in listed(page)
    assert page.locator("#query .title").text_content() == "mine.flac"


def test_a_steered_page_is_accessible_and_fits_a_phone(browser: Any, client: httpx.Client) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: pip install '.[test]'"
    )
    phone = {"viewport": {"width": 320, "height": 700}, "is_mobile": True, "has_touch": True}
    with visiting(browser, str(client.base_url), **phone) as page:
        page.locator("summary").tap()
        page.get_by_label("Chance").fill("0.5")
        search(page, "plucked 2 1")
        first = listed(page)[0]
        page.get_by_role("button", name=f"More like {first}").tap()
        page.locator("#steered li").wait_for()
        page.get_by_role("button", name=f"Less like {listed(page)[1]}").tap()
        page.get_by_role("button", name="Take all back").wait_for()
        listed(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert min(page.locator("button:visible").evaluate_all("all => all.map(e => e.offsetHeight)")) >= 24
        found = axe.Axe().run(page).response["violations"]
        assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == []
