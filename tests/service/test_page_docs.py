"""``/docs`` without a network: Swagger UI comes from this machine."""

import re
from typing import Any

import httpx

from tests.service.browser import visiting


def test_the_page_of_routes_asks_nothing_of_other_servers(client: httpx.Client) -> None:
    page = client.get("/docs")
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(parts) == 3  # script, style, icon
    assert not re.search(r"https?:|\"//", page.text)
    assert [client.get(httpx.URL(f"{client.base_url}/docs").join(part)).status_code for part in parts] == [200] * 3
    assert "http" not in page.headers["content-security-policy"]


def test_a_route_is_shown_and_can_be_tried(browser: Any, client: httpx.Client) -> None:
    with visiting(browser, f"{client.base_url}/docs") as page:  # no error, no request elsewhere
        route = page.locator("#operations-health-healthz_healthz_get")
        route.get_by_text("/healthz").click()
        route.get_by_role("button", name="Try it out").click()
        route.get_by_role("button", name="Execute").click()
        route.get_by_text('"ok"').first.wait_for()
