"""``/v1/users/{user}`` tells what the engine tells, and the page shows it."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from audio_engine import Engine
from audio_engine.catalogue.api_tokens import TokenFile
from audio_engine.users.user_profiles import UserProfiles
from tests.audio_engine.users.planted import SHORT, write_plays
from tests.conftest import BuildOnce
from tests.service.browser import visiting
from tests.service.serving import assert_problem, served

ODD = "a b/c?d"  # a name that an address must escape


@pytest.fixture(scope="module")
def directory(genre_world: Path, build_once: BuildOnce) -> Path:
    def write(folder: Path) -> None:
        with Engine.open(shutil.copytree(genre_world / "catalogue", folder / "catalogue")) as engine:
            write_plays(engine, folder)
            UserProfiles(engine.catalogue, engine.models).update(folder / "plays.parquet")

    return build_once("served users", write) / "catalogue"


@pytest.fixture(scope="module")
def listened(directory: Path) -> Iterator[httpx.Client]:
    with served(Engine.open(directory)) as client:
        yield client


def test_a_profile_over_http_is_the_engines(listened: httpx.Client, directory: Path) -> None:
    found = listened.get("/v1/users/u04/profile", params={"k": 2}).json()
    with Engine.open(directory) as engine:
        table = UserProfiles(engine.catalogue, engine.models).profile("u04")
    assert found["user"] == "u04"
    assert set(found["dimensions"]) == {"artist", "genre", "sound", "track"}
    genres = found["dimensions"]["genre"]
    assert genres["liked"][0]["value"] == "Chiptune"
    assert [row["value"] for row in genres["disliked"]] == ["Drums"]
    expected = table.filter(dimension="genre", value="Chiptune").row(0, named=True)
    assert genres["liked"][0] == {name: expected[name] for name in genres["liked"][0]}
    assert len(found["dimensions"]["track"]["liked"]) == 2


def test_a_persona_and_its_card_over_http(listened: httpx.Client, directory: Path) -> None:
    found = listened.get("/v1/users/u03/persona").json()
    with Engine.open(directory) as engine:
        persona = UserProfiles(engine.catalogue, engine.models).persona("u03")
    assert found["headline"] == persona.headline
    assert [trait["stars"] for trait in found["traits"]] == [trait.stars for trait in persona.traits]
    assert found["favourites"]["genre"][0] == "Plucked"
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install '.[card]'")
    card = listened.get("/v1/users/u03/card")
    assert card.headers["content-type"] == "image/png"
    assert card.content.startswith(b"\x89PNG")


def test_who_has_no_profile_or_persona_is_a_problem(listened: httpx.Client, client: httpx.Client) -> None:
    for part in ("profile", "persona", "card"):
        assert_problem(listened.get(f"/v1/users/nobody/{part}"), 404, "unknown_user")
        assert "users update" in assert_problem(client.get(f"/v1/users/u03/{part}"), 409, "not_trained")
    assert ODD in assert_problem(listened.get(f"/v1/users/{quote(ODD, safe='')}/profile"), 404, "unknown_user")
    assert "got 3" in assert_problem(listened.get(f"/v1/users/{SHORT}/persona"), 422, "invalid_request")
    assert_problem(listened.get("/v1/users/u03/profile", params={"k": 0}), 422, "invalid_request")
    assert_problem(listened.get("/v1/users/u03/profile", params={"n": 3}), 422, "invalid_request")


def test_without_matplotlib_the_card_says_what_is_lacking(
    listened: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    reply = listened.get("/v1/users/u03/card")
    assert (reply.status_code, "audio-content-engine[card]" in reply.json()["detail"]) == (501, True)


def test_a_token_that_may_read_is_needed_once_there_is_one(directory: Path, tmp_path: Path) -> None:
    own = shutil.copytree(directory, tmp_path / "catalogue")
    secret = TokenFile(own).add("reader", "read")
    with served(Engine.open(own)) as client:
        for part in ("profile", "persona", "card"):
            assert_problem(client.get(f"/v1/users/u03/{part}"), 401, "unauthorized")
        assert client.get("/v1/users/u03/profile", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


def test_an_update_is_seen_by_a_running_service(directory: Path, tmp_path: Path) -> None:
    own = shutil.copytree(directory, tmp_path / "catalogue")
    with served(Engine.open(own)) as client, Engine.open(own) as engine:
        before = client.get("/v1/users/u04/profile").json()["dimensions"]["genre"]["liked"][0]
        write_plays(engine, tmp_path)
        UserProfiles(engine.catalogue, engine.models).update(
            tmp_path / "plays.parquet", rebuild=True, half_life_days=1.0
        )
        after = client.get("/v1/users/u04/profile").json()["dimensions"]["genre"]["liked"][0]
    assert after["confidence"] < before["confidence"]


# The page


def show(page: Any, user: str) -> None:
    page.get_by_label("User name in your play log").fill(user)
    page.get_by_role("button", name="Show").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_your_listening_is_shown_kept_and_accessible(browser: Any, listened: httpx.Client, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: pip install '.[test]'"
    )
    persona = listened.get("/v1/users/u03/persona").json()
    with visiting(browser, str(listened.base_url), color_scheme=scheme) as page:
        show(page, "u03")
        page.locator("#listening .headline").wait_for()
        assert page.locator("#listening .headline").text_content() == persona["headline"]
        assert page.locator("#listening .traits h4").all_text_contents() == [
            each["title"] for each in persona["traits"]
        ]
        stars = [each.get_attribute("aria-label") for each in page.locator("#listening .stars").all()]
        assert stars == [f"{each['stars']} of 5 stars" for each in persona["traits"]]
        assert "Plucked" in page.locator("#listening dl").text_content()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Save it as a picture").click()
        assert Path(waiting.value.path()).read_bytes().startswith(b"\x89PNG")
        violations = axe.Axe().run(page).response["violations"]
        assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in violations] == []


def test_a_name_that_nobody_has_is_told_in_words(browser: Any, listened: httpx.Client) -> None:
    with visiting(browser, str(listened.base_url), allowed=("404", "422")) as page:
        show(page, ODD)
        page.get_by_text("Nobody of this name has played anything here.").wait_for()
        show(page, SHORT)
        page.get_by_text("20 plays or more").wait_for()
        show(page, "u03")
        page.locator("#listening .headline").wait_for()
        assert page.locator("#listening-problem").is_hidden()


def test_your_listening_fits_on_a_phone(browser: Any, listened: httpx.Client) -> None:
    phone = {"viewport": {"width": 320, "height": 700}, "is_mobile": True, "has_touch": True}
    with visiting(browser, str(listened.base_url), **phone) as page:
        show(page, "u03")
        page.locator("#listening .headline").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 320
