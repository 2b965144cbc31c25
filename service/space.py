"""``/v1/space``: in which space the vectors of this service live.

The first seven fields have the names that soundspan's embedding providers answer with; it compares them before it
compares vectors (soundspan/soundspan, docs/designs/vibe-embedding-provider.md, services/audio-analyzer-clap).
"""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, JsonValue

from audio_engine import Space
from service.context import Context
from service.errors import problems


class SpaceResponse(BaseModel):
    """The space of the active model: vectors are comparable where these fields are equal."""

    family: str
    checkpointHash: str  # noqa: N815  (SHA-256 of the weights)
    dim: int
    sampleRateHz: int  # noqa: N815
    preprocessing: dict[str, JsonValue]  # the mel recipe, channels, level, where segments lie
    revision: str  # of the model files
    textTower: bool = False  # noqa: N815  (words are not embedded, only sound)
    model_id: str
    metric: str
    normalised: bool

    @classmethod
    def of(cls, space: Space) -> "SpaceResponse":
        """Make a response of a space."""
        return cls(
            family=space.family,
            checkpointHash=space.weights_sha256,
            dim=space.dim,
            sampleRateHz=space.preprocessing["sample_rate"],
            preprocessing=space.preprocessing,
            revision=space.revision,
            model_id=space.model_id,
            metric=space.metric,
            normalised=space.normalised,
        )


def space_routes(context: Context) -> APIRouter:
    """Make the route."""
    router = APIRouter(tags=["space"], dependencies=[Depends(context.tokens.may_read)])

    @router.get("/v1/space", responses=problems(401, 503))
    async def space() -> SpaceResponse:
        """Say which vectors those of this service may be compared with."""
        return SpaceResponse.of(await context.lookups.run(context.engine.models.space))

    return router
