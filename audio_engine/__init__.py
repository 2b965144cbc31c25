"""Point it at a folder of songs, and it knows what sounds like what.

>>> from audio_engine import Engine

Everything that a user needs is named in `__all__`. A name is loaded when it is first used, so that the command line
and the decoder processes, which import this package too, start without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_engine.catalogue import Catalogue, Track
    from audio_engine.client import Client, ServiceError
    from audio_engine.embedding import EmbedResult
    from audio_engine.engine import Engine
    from audio_engine.errors import (
        CatalogueError,
        DecodeError,
        DuplicateTrackError,
        NotTrainedError,
        RecipeMismatchError,
        TooLongError,
        UnknownListenerError,
        UnknownTrackError,
    )
    from audio_engine.exploring.catalogue_map import CatalogueMap
    from audio_engine.exploring.matching import Match
    from audio_engine.filters import TrackFilter
    from audio_engine.genre.genres import GenreAnswer
    from audio_engine.info import Info
    from audio_engine.neighbours import Neighbour
    from audio_engine.plan import EmbedPlan
    from audio_engine.recall.answers import ListenersReport, Play, RecalledListener, RecalledTrack
    from audio_engine.tags import Tags

__all__ = [
    "Catalogue",
    "CatalogueError",
    "CatalogueMap",
    "Client",
    "DecodeError",
    "DuplicateTrackError",
    "EmbedPlan",
    "EmbedResult",
    "Engine",
    "GenreAnswer",
    "Info",
    "ListenersReport",
    "Match",
    "Neighbour",
    "NotTrainedError",
    "Play",
    "RecalledListener",
    "RecalledTrack",
    "RecipeMismatchError",
    "ServiceError",
    "Tags",
    "TooLongError",
    "Track",
    "TrackFilter",
    "UnknownListenerError",
    "UnknownTrackError",
]

_MODULES = {
    "Catalogue": "catalogue",
    "CatalogueError": "errors",
    "CatalogueMap": "exploring.catalogue_map",
    "Client": "client",
    "DecodeError": "errors",
    "DuplicateTrackError": "errors",
    "EmbedPlan": "plan",
    "EmbedResult": "embedding",
    "Engine": "engine",
    "GenreAnswer": "genre.genres",
    "Info": "info",
    "ListenersReport": "recall.answers",
    "Match": "exploring.matching",
    "Neighbour": "neighbours",
    "NotTrainedError": "errors",
    "Play": "recall.answers",
    "RecalledListener": "recall.answers",
    "RecalledTrack": "recall.answers",
    "RecipeMismatchError": "errors",
    "ServiceError": "client",
    "Tags": "tags",
    "TooLongError": "errors",
    "Track": "catalogue",
    "TrackFilter": "filters",
    "UnknownListenerError": "errors",
    "UnknownTrackError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
