"""Point it at a folder of songs, and it knows what sounds like what.

>>> from audio_engine import Engine

Everything that a user needs is named in `__all__`. A name is loaded when it is first used, so that the command line
and the decoder processes, which import this package too, start without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_engine.catalogue.catalogue import Catalogue, Track
    from audio_engine.catalogue.filters import TrackFilter
    from audio_engine.catalogue.tags import Tags
    from audio_engine.catalogue.track import TrackVector
    from audio_engine.client import Client, ServiceError
    from audio_engine.embedding.embedding import EmbedResult
    from audio_engine.embedding.plan import EmbedPlan
    from audio_engine.engine import Engine
    from audio_engine.errors import (
        CatalogueError,
        DecodeError,
        DuplicateTrackError,
        NotTrainedError,
        RecipeMismatchError,
        TooLongError,
        UnknownTrackError,
        UnknownUserError,
    )
    from audio_engine.genre.genres import GenrePrediction
    from audio_engine.info import Info
    from audio_engine.recall.recommendations import LearnedUsersReport, Play, RecalledTrack, RecalledUser
    from audio_engine.search.catalogue_map import CatalogueMap
    from audio_engine.search.explanation import Match
    from audio_engine.search.neighbours import Neighbour

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
    "GenrePrediction",
    "Info",
    "LearnedUsersReport",
    "Match",
    "Neighbour",
    "NotTrainedError",
    "Play",
    "RecalledTrack",
    "RecalledUser",
    "RecipeMismatchError",
    "ServiceError",
    "Tags",
    "TooLongError",
    "Track",
    "TrackFilter",
    "TrackVector",
    "UnknownTrackError",
    "UnknownUserError",
]

_MODULES = {
    "Catalogue": "catalogue.catalogue",
    "CatalogueError": "errors",
    "CatalogueMap": "search.catalogue_map",
    "Client": "client",
    "DecodeError": "errors",
    "DuplicateTrackError": "errors",
    "EmbedPlan": "embedding.plan",
    "EmbedResult": "embedding.embedding",
    "Engine": "engine",
    "GenrePrediction": "genre.genres",
    "Info": "info",
    "LearnedUsersReport": "recall.recommendations",
    "Match": "search.explanation",
    "Neighbour": "search.neighbours",
    "NotTrainedError": "errors",
    "Play": "recall.recommendations",
    "RecalledUser": "recall.recommendations",
    "RecalledTrack": "recall.recommendations",
    "RecipeMismatchError": "errors",
    "ServiceError": "client",
    "Tags": "catalogue.tags",
    "TooLongError": "errors",
    "Track": "catalogue.catalogue",
    "TrackFilter": "catalogue.filters",
    "TrackVector": "catalogue.track",
    "UnknownTrackError": "errors",
    "UnknownUserError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
