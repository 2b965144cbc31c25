"""The page in real Chromium, on a real service with real audio."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC

from audio_engine import Engine
from audio_engine.catalogue.api_tokens import TokenFile
from audio_engine.search import projection
from service import page as page_module
from tests.audio_engine.search.planted import clusters, fill
from tests.genre_world import SAMPLE_RATE, noise, play
from tests.service.browser import visiting
from tests.service.serving import PATIENCE_S, proxied, served, wait_for

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
PIECES = [("Plucked", 0), ("Drums", 1), ("Chiptune", 2), ("Plucked", 3), ("Drums", 4)] * 2  # ten of 3 s


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page tracks")
    write(folder / "long.flac", np.concatenate([play(genre, n, n) for genre, n in PIECES]), title="The long one")
    write(folder / "script.flac", play("Drums", 8, 8), title=SCRIPT, artist="<b>Bold</b>")
    (folder / "beside").mkdir()
    write(folder / "beside" / "upload.flac", play("Plucked", 5, 5))
    write(folder / "beside" / "noise.flac", noise())
    (folder / "beside" / "letter.mp3").write_bytes(b"dear sir, " * 500)
    return folder


def write(path: Path, sound: np.ndarray, **tags: str) -> None:
    soundfile.write(path, sound, SAMPLE_RATE)
    file = FLAC(path)
    file.update(tags)
    file.save()


@pytest.fixture(scope="module")
def directory(genre_world: Path, tracks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = shutil.copytree(genre_world / "catalogue", tmp_path_factory.mktemp("page") / "catalogue")
    with Engine.open(directory) as engine:
        assert [result.status for result in engine.embed(*tracks.glob("*.flac"))] == ["embedded"] * 2
    return directory


@pytest.fixture(scope="module")
def client(directory: Path) -> Iterator[httpx.Client]:
    with served(Engine.open(directory)) as client:
        yield client


@pytest.fixture
def page(browser: Any, client: httpx.Client) -> Iterator[Any]:
    with visiting(browser, str(client.base_url)) as page:
        yield page


def search(page: Any, text: str) -> None:
    page.get_by_label("Search the catalogue").fill(text)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("#neighbours li").first.wait_for()


def until(page: Any, condition: str) -> None:
    wait_for(lambda: page.evaluate(condition))  # Playwright's own waiting is stopped by the page's policy: no eval


def drop(page: Any, path: Path) -> None:
    """Drop a file or folder of this machine on the page, as a mouse does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})


def explained(page: Any) -> None:
    page.get_by_role("button", name=re.compile("^Hear the seconds")).first.wait_for()


def playing(page: Any) -> list[str]:
    names: list[str] = page.locator(".play[data-plays=true]").evaluate_all("all => all.map(each => each.ariaLabel)")
    return names


# What it is for


def test_a_search_gives_the_neighbours_that_the_service_gives(page: Any, client: httpx.Client) -> None:
    search(page, "drums 1 0")
    assert page.locator("#query .title").text_content() == "Drums 1 0"
    [asked, *_] = client.get("/v1/search", params={"q": "Drums 1 0"}).json()["tracks"]
    told = client.post("/v1/similar", json={"track_ids": [asked["track_id"]], "k": 10}).json()["neighbours"]
    assert page.locator("#neighbours .title").all_text_contents() == [each["track"]["title"] for each in told]
    numbers = page.locator("#neighbours .number").all_text_contents()
    assert [float(number) for number in numbers] == pytest.approx([each["similarity"] for each in told], abs=0.006)
    assert "tracks found for Drums 1 0" in page.get_by_role("status").text_content()
    assert page.evaluate("document.activeElement.id") == "answer"
    explained(page)
    assert "0:00–0:03 of the selected song" in page.locator(".why").first.text_content()
    page.reload()  # the address says what was asked
    page.locator("#neighbours li").first.wait_for()
    assert page.locator("#query .title").text_content() == "Drums 1 0"
    page.locator("#map .scatterlayer .trace").nth(2).locator("path").wait_for()  # and the track is on the map


def test_a_dropped_file_is_analysed_and_its_seconds_are_marked(page: Any, tracks: Path) -> None:
    sent = page.evaluate_handle(
        """async ([bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "my song.flac", { type: "audio/flac" }));
            return data;
        }""",
        [list((tracks / "beside" / "upload.flac").read_bytes())],
    )
    page.dispatch_event("body", "dragenter", {"dataTransfer": sent})
    assert "over" in page.locator("#drop").get_attribute("class")
    page.dispatch_event("body", "drop", {"dataTransfer": sent})
    page.locator("#neighbours li").first.wait_for()
    assert page.locator("#progress").is_hidden()
    assert page.locator("#query .title").text_content() == "my song.flac"
    assert page.locator("#neighbours .tags").first.text_content().startswith("Plucked")
    explained(page)
    assert "best match from 0 seconds" in page.locator("#query .wave").get_attribute("aria-valuetext")
    page.locator("#query .play").click()  # it plays from this device: the service has forgotten it
    until(page, "document.querySelector('audio').currentTime > 0")


def test_a_cut_of_a_track_is_marked_where_it_was_cut(page: Any, tracks: Path, tmp_path: Path) -> None:
    sound, rate = soundfile.read(tracks / "long.flac")
    soundfile.write(tmp_path / "cut.flac", sound[6 * rate : 9 * rate], rate)
    page.get_by_label("Drop a sound file here").set_input_files(tmp_path / "cut.flac")
    explained(page)
    card = page.locator("#neighbours li", has=page.get_by_text("The long one", exact=True))
    assert "0:06–0:09 here" in card.locator(".why").text_content()


def test_progress_is_told_while_a_file_is_analysed(page: Any, tracks: Path) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/v1/similar", hold)  # an answer that does not come
    page.get_by_label("Drop a sound file here").set_input_files(tracks / "beside" / "upload.flac")
    page.locator("#progress").wait_for()
    assert page.locator("#query .title").text_content() == "upload.flac"  # may be heard meanwhile
    page.get_by_role("button", name="Cancel").click()
    assert page.locator("#progress").is_hidden()
    held[0].abort()


def test_one_track_plays_at_a_time(page: Any) -> None:
    search(page, "drums 1 0")
    first, second = page.locator("#neighbours .play").nth(0), page.locator("#neighbours .play").nth(1)
    first.click()
    until(page, "document.querySelector('audio').currentTime > 0")
    [name] = playing(page)
    assert name.startswith("Pause ")
    second.click()
    until(page, "document.querySelectorAll('.play')[2].dataset.plays === 'true'")
    assert len(playing(page)) == 1
    assert page.locator("audio").count() == 1
    second.click()
    wait_for(lambda: playing(page) == [])


def test_filters_are_kept_to_and_a_starved_answer_says_so(page: Any) -> None:
    page.locator("summary").click()
    page.get_by_label("Genre").fill("drums")
    page.get_by_role("button", name="Apply").click()
    search(page, "plucked 0 0")
    tags = page.locator("#neighbours .tags").all_text_contents()
    assert 0 < len(tags) < 10
    assert all("Drums" in each for each in tags)
    assert f"Only {len(tags)} with these filters." in page.locator("#verdict").text_content()
    assert page.locator("#n-filters").text_content() == "1 set"
    page.get_by_role("button", name="Clear").click()
    until(page, f"document.querySelectorAll('#neighbours li').length > {len(tags)}")
    assert page.locator("#n-filters").is_hidden()


def test_a_sound_like_nothing_here_is_told(page: Any, tracks: Path) -> None:
    page.get_by_label("Drop a sound file here").set_input_files(tracks / "beside" / "noise.flac")
    page.locator("#neighbours li").first.wait_for()
    assert "Nothing here sounds much like it" in page.locator("#verdict").text_content()
    assert page.locator("#list-title").text_content() == "Nearest to it"
    similarities = [float(each) for each in page.locator("#neighbours .number").all_text_contents()]
    words = page.locator("#neighbours .similarity .quiet").all_text_contents()
    assert words == ["a little alike" for each in similarities if each >= 0.3]
    assert len(words) < len(similarities)
    page.get_by_role("button", name=re.compile("^Less like")).first.click()  # which makes nothing more alike
    page.locator("#steered li").wait_for()
    assert "Nothing in this list sounds much like it" in page.locator("#verdict").text_content()
    assert page.locator("#list-title").text_content() == "Nearest to it, as steered"


def test_what_cannot_be_compared_is_told_in_words(
    browser: Any, client: httpx.Client, tracks: Path, tmp_path: Path
) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(44_100), 44_100)
    with visiting(browser, str(client.base_url), allowed=("415",)) as page:
        search(page, "drums 1 0")
        marked = "document.querySelector('#map').data?.slice(1, 3).map(each => each.x.length).join()"
        until(page, f"{marked} === '10,1'")  # neighbours and the song itself
        page.get_by_label("Drop a sound file here").set_input_files(tracks / "beside" / "letter.mp3")
        page.get_by_role("alert").wait_for()
        alert = page.get_by_role("alert")
        assert alert.inner_text().splitlines()[0] == "This is not a sound file that can be read."
        assert alert.locator("details p").is_hidden()
        alert.get_by_text("What the decoders say").click()
        assert "FFmpeg" in alert.locator("details p").inner_text()
        assert page.locator("#progress").is_hidden()
        page.get_by_label("Drop a sound file here").set_input_files(silence)
        alert.get_by_text("It is silent").wait_for()
        assert "not a sound file" not in alert.inner_text()
        drop(page, tmp_path)
        alert.get_by_text("This is a folder").wait_for()
        assert page.locator("#search").input_value() == ""  # nothing of the song before is left
        assert page.locator("#answer .card").count() == 0
        until(page, f"{marked} === '0,0'")


def test_a_service_that_is_gone_is_told_in_words(browser: Any, client: httpx.Client) -> None:
    with visiting(browser, str(client.base_url), allowed=("ERR_INTERNET_DISCONNECTED",)) as page:
        page.locator("#try button").first.wait_for()
        page.context.set_offline(True)
        page.locator("#try button").first.click()
        page.get_by_role("alert").wait_for()
        assert page.get_by_role("alert").inner_text() == "The service cannot be reached. Is it still running?"


def test_the_address_is_kept_by_the_skip_link_and_back_leads_to_the_start(page: Any) -> None:
    page.locator("#try button").first.click()
    page.locator("#neighbours li").first.wait_for()
    address = page.url
    page.get_by_role("link", name="Skip to the answer").press("Enter")
    assert page.url == address
    assert page.evaluate("document.activeElement.id") == "answer"
    page.go_back()
    page.locator("#try button").first.wait_for()
    assert page.locator("#answer").is_hidden()


def test_a_track_whose_file_has_gone_says_so_when_it_is_played(
    browser: Any, genre_world: Path, tracks: Path, tmp_path: Path
) -> None:
    directory = shutil.copytree(genre_world / "catalogue", tmp_path / "catalogue")
    gone = shutil.copyfile(tracks / "beside" / "upload.flac", tmp_path / "gone.flac")
    with Engine.open(directory) as engine:
        list(engine.embed(gone))
    gone.unlink()
    with (
        served(Engine.open(directory)) as client,
        visiting(browser, str(client.base_url), allowed=("410",)) as page,
    ):
        search(page, "gone")
        page.locator("#query .play").click()
        page.locator("#query .note").wait_for()
        assert "its file has gone" in page.locator("#query .note").text_content()
        assert page.locator("#neighbours li").count() > 0


def test_a_beginner_is_offered_songs_and_the_way_to_the_routes(page: Any, client: httpx.Client) -> None:
    page.locator("#try button").first.wait_for()
    offered = page.locator("#try button").all_text_contents()
    known = [each["title"] or each["file"] for each in client.get("/v1/tracks").json()["tracks"]]
    assert len(set(offered)) == 3
    assert set(offered) <= set(known)
    page.locator("#try button").first.click()
    page.locator("#neighbours li").first.wait_for()
    assert page.locator("#query .title").text_content() == offered[0]
    assert page.locator("#try").is_hidden()
    assert page.locator("#listening-panel").is_hidden()  # nobody's plays are known
    facts = client.get("/page/facts.json").json()
    assert facts == {"version": client.get("/openapi.json").json()["info"]["version"], "has_profiles": False}
    assert f"audio-engine {facts['version']}" in page.locator("footer").text_content()
    page.get_by_role("link", name="HTTP API").click()
    page.get_by_text("/v1/similar").first.wait_for()


def test_what_tells_nobody_anything_is_not_said(page: Any) -> None:
    told = """import("./page/words.js").then(({ duplicatesHidden, likeness, tagsOf }) => [
        tagsOf({ genre_predicted: "unknown", year: 1999 }), tagsOf({ genre_predicted: "folk" }),
        tagsOf({ genre: "unknown" }),
        ...[0.29, 0.31, 0.95].map(likeness), ...[0, 1, 2].map(duplicatesHidden)])"""
    assert page.evaluate(told) == [
        *("1999", "folk (by its sound)", "unknown"),  # the last stands in a tag
        *("", "a little alike", "nearly the same"),
        *("", "1 duplicate hidden. ", "2 duplicates hidden. "),
    ]


# Safety


def test_a_title_of_markup_is_shown_not_run(page: Any) -> None:
    search(page, "<script>")
    assert page.locator("#query .title").text_content() == SCRIPT
    assert page.locator("#query .tags").text_content().startswith("<b>Bold</b>")
    page.get_by_label("Search the catalogue").fill("onerror")
    page.get_by_role("option").first.wait_for()
    page.locator("#map .scatterlayer").wait_for()
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")  # the first step goes to the track asked about
    page.locator("#tip").wait_for()
    assert SCRIPT in page.locator("#tip").text_content()
    assert page.locator("img, b, script:not([src])").count() == 0


def test_a_service_with_tokens_asks_for_one(browser: Any, genre_world: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(genre_world / "catalogue", tmp_path / "catalogue")
    secret = TokenFile(directory).add("page", "read")
    with (
        served(Engine.open(directory)) as client,
        visiting(browser, str(client.base_url), allowed=("401",)) as page,
    ):
        page.get_by_label("This service asks for a token").fill(secret)
        page.get_by_role("button", name="Use it").click()
        search(page, "drums 1 0")
        page.locator("#neighbours .play").first.click()
        until(page, "document.querySelector('audio').currentTime > 0")


# The map


def test_a_point_of_the_map_is_heard_at_a_click(page: Any) -> None:
    search(page, "drums 1 0")
    page.locator("#map .scatterlayer .trace").nth(2).locator("path").wait_for()  # the track asked about
    near = page.locator("#map .scatterlayer .trace").nth(1).locator("path")
    assert near.count() == 10
    box = near.last.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator("#tip").wait_for()
    title = page.locator("#tip strong").text_content()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    until(page, "document.querySelector('.play[data-plays=true]')")
    assert playing(page)[0].startswith(f"Pause {title}")


def test_the_map_zooms_and_comes_back(page: Any) -> None:
    page.locator("#map .scatterlayer").wait_for()
    ranges = "[...document.querySelector('#map').layout.xaxis.range]"
    whole = page.evaluate(ranges)
    page.get_by_role("button", name="Zoom in").click()
    until(page, f"({ranges})[1] < 0.9")
    page.locator("#map").hover()
    page.mouse.wheel(0, -300)  # a tenth closer
    until(page, f"({ranges})[1] - ({ranges})[0] < 1.3")
    page.get_by_role("button", name="Whole map").click()
    until(page, f"({ranges})[1] > 1")
    assert page.evaluate(ranges) == whole


def test_without_plotly_the_page_says_what_is_lacking(
    browser: Any, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "find_spec", lambda _: None)
    with visiting(browser, str(client.base_url), allowed=("404", "MIME")) as page:
        page.get_by_text("pip install 'audio-content-engine[page]'").wait_for()
        search(page, "drums 1 0")


# For everybody


def test_everything_can_be_done_with_the_keyboard(page: Any) -> None:
    page.locator("#map .scatterlayer").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.type("plucked 2 1")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    assert page.locator("#search").get_attribute("aria-activedescendant") == "found-0"
    page.keyboard.press("Enter")
    page.locator("#neighbours li").first.wait_for()
    page.keyboard.press("Tab")  # from the answer to the first thing in it
    page.keyboard.press("Space")
    until(page, "document.querySelector('#query .play').dataset.plays === 'true'")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "slider"
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    until(page, "document.querySelector('audio').paused")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    assert "Plucked 2 1" in page.get_by_role("status").text_content()
    page.keyboard.press("Enter")
    until(page, "!document.querySelector('audio').paused")
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("s")
    until(page, "!['Plucked 2 1', undefined].includes(document.querySelector('#query .title')?.textContent)")


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_nothing_sticks_out(browser: Any, client: httpx.Client, width: int) -> None:
    phone = {"viewport": {"width": width, "height": 700}, "is_mobile": True, "has_touch": True}
    with visiting(browser, str(client.base_url), **phone) as page:
        page.locator("summary").tap()
        page.get_by_label("Search the catalogue").fill("<script>")
        page.get_by_role("option").first.tap()
        explained(page)
        page.locator("#map .scatterlayer").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        sizes = page.locator("button:visible").evaluate_all(
            "all => all.map(each => each.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 24  # WCAG 2.2, 2.5.8


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(browser: Any, client: httpx.Client, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: pip install '.[test]'"
    )
    with visiting(browser, str(client.base_url), color_scheme=scheme) as page:
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        lightness = sum(int(part) for part in re.findall(r"\d+", paper)[:3])
        assert (lightness > 600) is (scheme == "light")
        assert (lightness < 120) is (scheme == "dark")
        page.locator("#map .scatterlayer").wait_for()
        page.locator("summary").click()
        search(page, "plucked 2 1")
        explained(page)
        results = axe.Axe().run(page)
        assert [
            (each["id"], [node["html"][:120] for node in each["nodes"]]) for each in results.response["violations"]
        ] == []


def test_a_map_is_drawn_at_once_and_again_when_it_is_laid_out(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_laid_out = Event()

    def slow_umap(vectors: np.ndarray) -> np.ndarray:  # a minute, while it is compiled
        assert is_laid_out.wait(PATIENCE_S)
        return vectors[:, :2].copy()

    monkeypatch.setattr(projection, "_umap", slow_umap)
    monkeypatch.setattr(projection, "find_spec", lambda _: True)
    with Engine.open(tmp_path / "catalogue") as engine:
        fill(engine.catalogue, clusters())
    with (
        served(Engine.open(tmp_path / "catalogue")) as client,
        visiting(browser, str(client.base_url)) as page,  # which lets no error through, such as of a 503
    ):
        page.locator("#map[data-projection=pca] .scatterlayer").wait_for()
        draft = client.get("/v1/map").json()
        assert (draft["projection"], draft["is_draft"], len(draft["points"])) == ("pca", True, 60)
        assert client.get("/readyz").status_code == 200
        is_laid_out.set()
        page.locator("#map[data-projection=umap]").wait_for()
        made = client.get("/v1/map").json()
        assert (made["projection"], made["is_draft"], len(made["points"])) == ("umap", False, 60)
        drawn = "document.querySelector('#map').data[0].x"
        until(page, f"{drawn}.every((x, at) => x === {[point['x'] for point in made['points']]}[at])")


@pytest.mark.parametrize("strips", [True, False])
def test_page_and_location_work_behind_the_prefix_of_a_proxy(
    browser: Any, directory: Path, tracks: Path, tmp_path: Path, strips: bool
) -> None:
    own = shutil.copytree(directory, tmp_path / "catalogue")
    with served(Engine.open(own), root_path="/music/") as client, proxied(client, "/music", strips=strips) as outside:
        reply = outside.post("/music/v1/tracks", files={"file": (tracks / "beside" / "upload.flac").read_bytes()})
        assert (reply.status_code, reply.headers["location"][:17]) == (201, "/music/v1/tracks/")
        assert outside.get(reply.headers["location"]).json() == reply.json()
        assert outside.delete(reply.headers["location"]).status_code == 204
        docs = outside.get("/music/docs")
        assert "/music/openapi.json" in docs.text
        assert outside.get(re.findall(r'<script src="([^"]+)"', docs.text)[0]).status_code == 200
        assert outside.get("/music", follow_redirects=True).text == outside.get("/music/").text
        assert outside.get("/v1/tracks").status_code == 404
        assert client.get("/v1/tracks").status_code == 200  # past the proxy
        if strips:
            with visiting(browser, f"{outside.base_url}/music/") as page:
                search(page, "drums 1 0")
                page.locator("#map .scatterlayer").wait_for()
                page.locator("#query .play").click()
                until(page, "document.querySelector('audio').currentTime > 0")
                page.get_by_label("Drop a sound file here").set_input_files(tracks / "beside" / "upload.flac")
                page.locator("#query .title", has_text="upload.flac").wait_for()
                page.locator("#neighbours li").first.wait_for()


# What it asks the service


def test_a_map_is_sent_by_the_box(client: httpx.Client) -> None:
    whole = client.get("/v1/map").json()
    assert (whole["n_tracks"], whole["n_inside"], len(whole["points"])) == (20, 20, 20)
    xs = sorted(point["x"] for point in whole["points"])
    half = client.get("/v1/map", params={"x_max": (xs[9] + xs[10]) / 2, "limit": 3}).json()
    assert (half["n_inside"], len(half["points"])) == (10, 3)
    asked = max(whole["points"], key=lambda point: point["x"])
    with_asked = client.get("/v1/map", params={"limit": 0, "track_id": [asked["track_id"], "nobody"]}).json()
    assert with_asked["points"] == [asked]
    assert client.get("/v1/map", params={"x_min": "nan"}).status_code == 422
    assert (
        client.get("/v1/map", params={"track_id": 65 * "a"}).status_code == 422
    )  # an array of texts is as wide as one


def test_a_waveform_is_sent_and_names_no_path_when_it_cannot_be(genre_world: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(genre_world / "catalogue", tmp_path / "catalogue")
    write(tmp_path / "song.flac", play("Drums", 9, 9))
    with Engine.open(directory) as engine:
        list(engine.embed(tmp_path / "song.flac"))
        track_id = engine.find(tmp_path / "song.flac").track_id
    with served(Engine.open(directory)) as client:
        outline = client.get(f"/v1/tracks/{track_id}/waveform").json()
        assert (outline["duration_s"], len(outline["peaks"]), max(outline["peaks"])) == (3.0, 600, 0.5)
        (tmp_path / "song.flac").write_bytes(b"no more")
        refused = client.get(f"/v1/tracks/{track_id}/waveform")
        assert (refused.status_code, "/" in refused.json()["detail"]) == (415, False)
        (tmp_path / "song.flac").unlink()
        assert client.get(f"/v1/tracks/{track_id}/waveform").status_code == 410
        assert client.get("/v1/tracks/nobody/waveform").status_code == 404
        told = client.post("/v1/similar", json={"track_ids": [track_id], "k": 2, "explanation": True}).json()
        assert [each["explanation"] for each in told["neighbours"]] == [None, None]


@pytest.mark.parametrize("path", ["/page/..%2Fapp.py", "/page/%2Fetc%2Fpasswd", "/page/nothing.js", "/page/"])
def test_the_page_gives_its_own_files_only(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_page_lets_no_foreign_or_inline_script_in(client: httpx.Client) -> None:
    reply = client.get("/")
    policy = dict(part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";"))
    assert policy.get("script-src", policy["default-src"]) == "'self'"
    assert not re.search(r"https?://|<script(?![^>]* src=)| on\w+=", reply.text)
    assert client.get("/page/app.js").headers["content-type"].startswith("text/javascript")
