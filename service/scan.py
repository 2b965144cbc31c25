"""``/v1/scan``: bring the catalogue up to date with the server's own folders of music, and tell how far that is."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.context import Context
from service.errors import ASKED, LOOKED_UP
from service.requests import describe_body, parse_body, read_json
from service.scanning import ScanResponse

MAX_FOLDERS = 100


def _without_nul(folder: str) -> str:
    if "\0" in folder:
        raise ValueError("a folder has no NUL in its name")
    return folder


Folder = Annotated[str, Field(min_length=1, max_length=4_096), AfterValidator(_without_nul)]


class ScanRequest(BaseModel):
    """What is looked through."""

    model_config = ConfigDict(extra="forbid")

    folders: list[Folder] = Field(
        [], max_length=MAX_FOLDERS, description="Folders of the server's; all that it is set up with if none is named."
    )
    describe: bool = Field(False, description="Measure tempo, key and loudness of what lacks them too.")


def scan_routes(context: Context) -> APIRouter:
    """Make the routes."""
    scan = context.scan
    router = APIRouter(prefix="/v1/scan", tags=["scan"])
    reading, writing = [Depends(context.tokens.may_read)], [Depends(context.tokens.may_write)]
    described = describe_body(json_body=ScanRequest, example={"folders": [], "describe": True})
    described["requestBody"]["required"] = False

    @router.post("", status_code=HTTPStatus.ACCEPTED, dependencies=writing, responses=ASKED, openapi_extra=described)
    async def start(request: Request) -> ScanResponse:
        """Start to embed what is new or changed in the server's folders of music; 409 where that is under way."""
        has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
        body = await read_json(request, ScanRequest) if has_body else parse_body({}, ScanRequest)
        if not await context.lookups.run(lambda: scan.start(body.folders, describe=body.describe)):
            raise HTTPException(HTTPStatus.CONFLICT, "a scan is running: GET /v1/scan tells how far it is")
        return scan.progress()

    @router.get("", dependencies=reading, responses=LOOKED_UP)
    async def progress() -> ScanResponse:
        """Tell how far the scan is, or how the last one ended."""
        return scan.progress()

    return router
