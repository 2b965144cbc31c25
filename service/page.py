"""``/`` and ``/page/…``: the page, whose files are in `service/page_files`.

The library that draws its map comes from the package ``plotly`` (the extra ``page``): the page requests nothing from
other servers.
"""

import mimetypes
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, HTTPException

from audio_engine.users.profile_folder import DIRECTORY, stamp_of
from service.context import Context
from service.sent_file import SentFile
from service.version import VERSION

FILES = Path(__file__).parent / "page_files"
PLOTLY = "plotly.min.js"
PLOTLY_AGE_S = 86_400  # seconds that a browser may keep what changes with a release of plotly only
LACKING = "the map needs plotly: pip install 'audio-content-engine[page]'"


def page_routes(context: Context) -> APIRouter:
    """Make the routes."""
    router = APIRouter(include_in_schema=False)
    names = frozenset(file.name for file in FILES.iterdir() if file.is_file())

    @router.get("/")
    async def index() -> SentFile:
        """Give the page."""
        return _sent(FILES / "index.html", max_age_s=0)

    @router.get("/page/facts.json")
    async def facts() -> dict[str, str | bool]:
        """Tell the page which version this is, and whether there are profiles of users to show."""
        stamp = await context.lookups.run(stamp_of, context.engine.directory / DIRECTORY)
        return {"version": VERSION, "has_profiles": stamp > 0}

    @router.get("/page/{name}")
    async def part(name: str) -> SentFile:
        """Give a part of the page."""
        if name == PLOTLY:
            return _sent(plotly_file(), max_age_s=PLOTLY_AGE_S)
        if name not in names:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such file")
        return _sent(FILES / name, max_age_s=0)

    return router


def plotly_file() -> Path:
    """Find plotly.js in the package ``plotly``, without importing that.

    Raises
    ------
    HTTPException
        404, with the command that mends it, where it is not installed.
    """
    spec = find_spec("plotly")
    file = Path(spec.origin).parent / "package_data" / PLOTLY if spec and spec.origin else None
    if file is None or not file.is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND, LACKING)
    return file


def _sent(file: Path, *, max_age_s: int) -> SentFile:
    """Send a file; a browser asks again for what may change with every release of ours."""
    kind = mimetypes.guess_type(file.name)[0]
    cache = f"private, max-age={max_age_s}" if max_age_s else "no-cache"
    return SentFile(file, media_type=kind, headers={"cache-control": cache})
