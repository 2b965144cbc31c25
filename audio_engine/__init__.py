"""Point it at a folder of songs, and it knows what sounds like what.

>>> from audio_engine import Engine

Everything that a user needs is named in `__all__`. A name is loaded when it is first used, so that the command line
and the decoder processes, which import this package too, start without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_engine.catalogue import Catalogue, Track
    from audio_engine.embedding import EmbedResult
    from audio_engine.engine import Engine
    from audio_engine.errors import CatalogueError, DecodeError, NotTrainedError, RecipeMismatchError, UnknownTrackError
    from audio_engine.filters import TrackFilter
    from audio_engine.genre.genres import GenreAnswer
    from audio_engine.info import Info
    from audio_engine.neighbours import Neighbour
    from audio_engine.plan import EmbedPlan
    from audio_engine.tags import Tags

__all__ = [
    "Catalogue",
    "CatalogueError",
    "DecodeError",
    "EmbedPlan",
    "EmbedResult",
    "Engine",
    "GenreAnswer",
    "Info",
    "Neighbour",
    "NotTrainedError",
    "RecipeMismatchError",
    "Tags",
    "Track",
    "TrackFilter",
    "UnknownTrackError",
]

_MODULES = {
    "Catalogue": "catalogue",
    "CatalogueError": "errors",
    "DecodeError": "errors",
    "EmbedPlan": "plan",
    "EmbedResult": "embedding",
    "Engine": "engine",
    "GenreAnswer": "genre.genres",
    "Info": "info",
    "Neighbour": "neighbours",
    "NotTrainedError": "errors",
    "RecipeMismatchError": "errors",
    "Tags": "tags",
    "Track": "catalogue",
    "TrackFilter": "filters",
    "UnknownTrackError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
