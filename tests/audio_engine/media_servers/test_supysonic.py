"""A real Subsonic server, Supysonic, run beside the tests: its library is linked, and a playlist arrives in it."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from audio_engine import Engine
from audio_engine.errors import MediaServerError
from audio_engine.media_servers.accounts import Account, Root
from tests.service.serving import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("supysonic") is None, reason="needs Supysonic: pip install supysonic"),
]
USER, PASSWORD = "ann", "open sesame"
SETTINGS = """
[base]
database_uri = sqlite:///{folder}/supysonic.db
[webapp]
cache_dir = {folder}/cache
"""
SERVE = """
import sys
from werkzeug.serving import run_simple
from supysonic.web import create_application
run_simple("127.0.0.1", int(sys.argv[1]), create_application(), threaded=True)
"""


@pytest.fixture
def directory(own: Path) -> Path:
    return own


@pytest.fixture
def url(tmp_path: Path, genre_world: Path) -> Iterator[str]:
    """Serve a copy of the music, as it would lie on another machine."""
    folder = tmp_path / "supysonic"
    music = shutil.copytree(genre_world / "music", folder / "music")
    (folder / "supysonic.conf").write_text(SETTINGS.format(folder=folder))
    for command in (
        ["user", "add", USER, "-p", PASSWORD],
        ["folder", "add", "music", str(music)],
        ["folder", "scan", "--foreground"],
    ):
        code = "from supysonic.cli import main; main()"
        subprocess.run([sys.executable, "-c", code, *command], cwd=folder, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", SERVE, str(port)], cwd=folder, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: _answers(f"http://127.0.0.1:{port}"))
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code < 500
    except httpx.TransportError:
        return False


def test_its_library_is_linked_and_a_playlist_arrives(engine: Engine, url: str) -> None:
    music = engine.tracks()[0].path.parent
    account = Account(name="supysonic", kind="subsonic", url=url, user=USER, roots=(Root(server="", local=str(music)),))
    with pytest.raises(MediaServerError, match="refuses the login"):
        engine.media_servers.link(account, "wrong")
    report = engine.media_servers.link(account, PASSWORD)
    assert (report.n_songs, report.n_linked, report.by) == (18, 18, {"path": 18})
    by_tags = engine.media_servers.link(Account(name="tags", kind="subsonic", url=url, user=USER), PASSWORD)
    assert by_tags.by == {"tags": 18}
    seed = engine.search.seed_of(engine.tracks()[0].track_id)
    songs = [song_id for song_id, _ in engine.media_servers.tracks("supysonic").neighbours([seed], 5)]
    assert engine.media_servers.write_playlist("supysonic", "Like it", songs).n_missing == 0
    assert engine.media_servers.write_playlist("supysonic", "Like it", songs[:2], mode="replace").n_missing == 0
    asked = {"u": USER, "p": PASSWORD, "c": "test", "v": "1.12.0", "f": "json"}
    [playlist] = httpx.get(f"{url}/rest/getPlaylists", params=asked).json()["subsonic-response"]["playlists"][
        "playlist"
    ]
    found = httpx.get(f"{url}/rest/getPlaylist", params={**asked, "id": playlist["id"]}).json()["subsonic-response"]
    assert [entry["id"] for entry in found["playlist"]["entry"]] == songs[:2]
