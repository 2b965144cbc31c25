"""What HTTP asks of a server: HEAD, ranges, conditions, prefixes of proxies; and odd requests that are well meant."""

import socket

import httpx
import pytest

from tests.genre_world import play
from tests.service.serving import PATIENCE_S, assert_problem, flac


@pytest.fixture(scope="module")
def audio(client: httpx.Client) -> tuple[str, bytes]:
    """The address of a track's file, and the file."""
    track_id = client.get("/v1/tracks").json()["tracks"][0]["track_id"]
    address = f"/v1/tracks/{track_id}/audio"
    return address, client.get(address).content


def test_head_says_of_every_route_what_get_says(client: httpx.Client, audio: tuple[str, bytes]) -> None:
    track = audio[0].removesuffix("/audio")
    paths = [
        "/healthz",
        "/readyz",
        "/v1/tracks",
        track,
        audio[0],
        f"{track}/waveform",
        "/v1/search?q=a",
        "/v1/map",
        "/v1/space",
    ]
    for path in [*paths, "/", "/page/app.js", "/rest/ping", "/docs", "/openapi.json", "/v1/tracks/nobody"]:
        told, whole = client.head(path), client.get(path)
        assert (told.status_code, told.content) == (whole.status_code, b""), path
        for name in ("content-type", "content-length", "etag", "accept-ranges"):
            assert told.headers.get(name) == whole.headers.get(name), (path, name)
    assert client.head("/metrics").status_code == 200
    assert client.head("/v1/similar").status_code == 405


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("Bytes=5-", [(5, -1)]),
        ("bytes=-7", [(-7, -1)]),
        ("bytes=0-99999999999999999999999999", [(0, -1)]),
        ("bytes=-99999999", [(0, -1)]),
        ("bytes=3-1000000000, 0-1", [(0, 1), (3, -1)]),
        ("bytes=0-1, ,1000000000-", [(0, 1)]),  # of several, those that the file has
        ("bytes=0-9,5-19", [(0, 19)]),
        ("bytes=1000000000-", []),
        ("bytes=1000000000-1000000001,-0", []),
        ("bytes=-0", []),
        ("bytes=" + 5000 * "9" + "-", []),
        ("bytes=", None),  # what is no range is ignored
        ("bytes", None),
        ("bytes=5-2", None),
        ("bytes=0-1,5-2", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes=--5", None),
        ("bytes=+0-5", None),
        ("bytes=0x0-5", None),
        ("seconds=0-5", None),
        ("bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(101)), None),
    ],
)
def test_a_range_is_answered_by_the_standard(
    client: httpx.Client, audio: tuple[str, bytes], asked: str, expected: list[tuple[int, int]] | None
) -> None:
    address, whole = audio
    n = len(whole)
    reply = client.get(address, headers={"range": asked})
    if expected is None:
        assert (reply.status_code, reply.content == whole) == (200, True)
    elif not expected:
        assert_problem(reply, 416, "no_such_range")
        assert reply.headers["content-range"] == f"bytes */{n}"
    else:
        assert reply.status_code == 206
        ranges = [(first % n, last % n) for first, last in expected]
        parts = [(f"bytes {first}-{last}/{n}", whole[first : last + 1]) for first, last in ranges]
        if len(parts) == 1:
            assert [(reply.headers["content-range"], reply.content)] == parts
        else:
            assert parts_of(reply) == parts
    assert client.head(address, headers={"range": asked}).status_code == 200  # ranges are for GET


def parts_of(reply: httpx.Response) -> list[tuple[str, bytes]]:
    """Read a multipart answer: where each part lies, and its bytes."""
    kind, _, boundary = reply.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    found = []
    for part in reply.content.split(f"--{boundary}".encode())[1:-1]:
        head, _, body = part.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().strip().lower().split("\r\n"))
        found.append((headers["content-range"], body.removesuffix(b"\r\n")))
    return found


LONG_AGO, LATER = "Tue, 01 Jan 1980 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": "{etag}"}, 304),
        ({"if-none-match": '"other", W/{etag}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-none-match": '"other"', "if-modified-since": LATER}, 200),  # the tag counts, not the date
        ({"if-modified-since": "{date}"}, 304),
        ({"if-modified-since": LATER}, 304),
        ({"if-modified-since": LONG_AGO}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-match": "{etag}"}, 200),
        ({"if-match": '"other"'}, 412),
        ({"if-unmodified-since": LONG_AGO}, 412),
        ({"if-unmodified-since": "{date}"}, 200),
        ({"range": "bytes=0-9", "if-range": "{etag}"}, 206),
        ({"range": "bytes=0-9", "if-range": "{date}"}, 206),
        ({"range": "bytes=0-9", "if-range": '"other"'}, 200),
        ({"range": "bytes=0-9", "if-range": "W/{etag}"}, 200),
        ({"range": "bytes=0-9", "if-range": LATER}, 200),
        ({"range": "bytes=1000000000-", "if-range": '"other"'}, 200),
        ({"range": "bytes=0-9", "if-none-match": "{etag}"}, 304),
    ],
)
def test_a_condition_is_kept(
    client: httpx.Client, audio: tuple[str, bytes], headers: dict[str, str], status: int
) -> None:
    whole = client.head(audio[0])
    known = {"etag": whole.headers["etag"], "date": whole.headers["last-modified"]}
    reply = client.get(audio[0], headers={name: value.format(**known) for name, value in headers.items()})
    assert reply.status_code == status
    assert len(reply.content) == {200: len(audio[1]), 206: 10, 304: 0}.get(status, len(reply.content))
    if status == 412:
        assert_problem(reply, 412, "changed")
    else:
        assert reply.headers["etag"] == known["etag"]


def test_headers_that_come_twice_are_read_as_one(client: httpx.Client, audio: tuple[str, bytes]) -> None:
    etag = client.head(audio[0]).headers["etag"]
    for name, status in (("if-match", 200), ("if-none-match", 304)):
        assert client.get(audio[0], headers=[(name, '"other"'), (name, etag)]).status_code == status
    twice = client.get(audio[0], headers=[("range", "bytes=0-3"), ("range", "bytes=5-6")])
    assert (twice.status_code, twice.content) == (200, audio[1])


def test_a_part_of_the_page_is_sent_once(client: httpx.Client) -> None:
    first = client.get("/page/app.js")
    again = client.get("/page/app.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "no-cache")


@pytest.mark.parametrize("path", ["/v1/tracks?lmit=1", "/v1/tracks?genre=Drums", "/v1/search?q=a&limit=1"])
def test_a_parameter_that_a_route_does_not_have_is_refused(client: httpx.Client, path: str) -> None:
    assert "Extra inputs are not permitted" in assert_problem(client.get(path), 422, "invalid_request")


def test_a_slash_too_many_leads_to_the_same_host(client: httpx.Client) -> None:
    reply = client.get("/v1/tracks/?limit=1", headers={"host": "inside:8000"})  # as a proxy may call it
    assert (reply.status_code, reply.headers["location"]) == (307, "/v1/tracks?limit=1")
    for path in ("//evil.example", "//evil.example/", "/%2F/evil.example/", "//v1/tracks/"):
        assert client.get(f"http://{client.base_url.netloc.decode()}{path}").status_code == 404


def asked_raw(client: httpx.Client, *pieces: bytes) -> bytes:
    """Send bytes as they are, each piece after the first once there was an answer; give all that came back."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=PATIENCE_S) as connection:
        connection.sendall(pieces[0])
        came = b""
        for piece in pieces[1:]:
            came += connection.recv(65_536)
            connection.sendall(piece)
        while part := connection.recv(65_536):
            came += part
    return came


def test_bodies_come_in_whatever_way_they_are_sent(client: httpx.Client) -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n'
    body += flac(play("Drums", 7, 7)) + b"\r\n--B--\r\n"
    head = (
        b"POST /v1/embed HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    )
    length, chunk = b"Content-Length: %d\r\n" % len(body), b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    whole = asked_raw(client, head + length + b"\r\n" + body)
    vector = whole.partition(b"\r\n\r\n")[2]
    assert (whole[:15], b'"vector":[' in vector) == (b"HTTP/1.1 200 OK", True)
    assert asked_raw(client, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk).endswith(vector)
    assert asked_raw(client, head.replace(b"HTTP/1.1", b"HTTP/1.0") + length + b"\r\n" + body).endswith(vector)
    waited = asked_raw(client, head + length + b"Expect: 100-continue\r\n\r\n", body)
    assert (waited[:12], waited.endswith(vector)) == (b"HTTP/1.1 100", True)
    too_large = asked_raw(client, head + b"Expect: 100-continue\r\nContent-Length: 90000000\r\n\r\n")
    assert too_large.startswith(b"HTTP/1.1 413 ")  # and the body need not be sent


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{encoded}", 200),  # an id may be written in percent signs, but once
        ("{twice}", 404),
        ("%00", 404),
        ("%ff%fe", 404),
        ("%ED%A0%80/audio", 404),
        ("a%2F..%2Fb", 404),
    ],
)
def test_an_id_is_read_as_addresses_are_written(
    client: httpx.Client, audio: tuple[str, bytes], path: str, status: int
) -> None:
    encoded = "".join(f"%{ord(letter):02x}" for letter in audio[0].split("/")[3])
    path = path.format(encoded=encoded, twice=encoded.replace("%", "%25"))
    reply = asked_raw(client, f"GET /v1/tracks/{path} HTTP/1.0\r\n\r\n".encode())
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
