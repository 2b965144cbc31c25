"""Point it at a folder of songs, and it knows what sounds like what.

>>> from audio_engine import Engine

Everything that a user needs is named in `__all__`. A name is loaded when it is first used, so that the command line
and the decoder processes, which import this package too, start without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_engine.catalogue.catalogue import Catalogue
    from audio_engine.catalogue.filters import TrackFilter
    from audio_engine.catalogue.tags import Tags
    from audio_engine.catalogue.track import Track, TrackVector
    from audio_engine.client import Client, ServiceError
    from audio_engine.embedding.audio_vectors import AudioVectors
    from audio_engine.embedding.embedding import EmbedResult
    from audio_engine.embedding.model_export import export_model
    from audio_engine.embedding.plan import EmbedPlan
    from audio_engine.engine import Engine
    from audio_engine.errors import (
        CatalogueError,
        DecodeError,
        DuplicateTrackError,
        NotTrainedError,
        RecipeMismatchError,
        TooLongError,
        TrackValuesError,
        UnknownTrackError,
        UnknownUserError,
    )
    from audio_engine.evaluation.cold_start.pipeline import evaluate_cold_start
    from audio_engine.evaluation.genre.pipeline import benchmark_genre
    from audio_engine.evaluation.sensitivity import evaluate_sensitivity
    from audio_engine.evaluation.similarity import evaluate_similarity
    from audio_engine.genre.genres import GenrePrediction
    from audio_engine.info import Info
    from audio_engine.recall.recommendations import LearnedUsersReport, Play, RecalledTrack, RecalledUser
    from audio_engine.search.catalogue_map import CatalogueMap
    from audio_engine.search.explanation import Match
    from audio_engine.search.neighbours import Neighbour
    from audio_engine.search.steering import Steering
    from audio_engine.training.forecast import TrainingForecast, forecast_training
    from audio_engine.training.pipeline import TrainingFiles, train
    from audio_engine.training.pretraining import pretrain
    from audio_engine.training.training import TrainingSettings
    from metric_learning.embedder import Embedder
    from metric_learning.pretrain_config import PretrainConfig
    from metric_learning.space import Space

__all__ = [
    "AudioVectors",
    "Catalogue",
    "CatalogueError",
    "CatalogueMap",
    "Client",
    "DecodeError",
    "DuplicateTrackError",
    "EmbedPlan",
    "EmbedResult",
    "Embedder",
    "Engine",
    "GenrePrediction",
    "Info",
    "LearnedUsersReport",
    "Match",
    "Neighbour",
    "NotTrainedError",
    "Play",
    "PretrainConfig",
    "RecalledTrack",
    "RecalledUser",
    "RecipeMismatchError",
    "ServiceError",
    "Space",
    "Steering",
    "Tags",
    "TooLongError",
    "Track",
    "TrackFilter",
    "TrackValuesError",
    "TrackVector",
    "TrainingFiles",
    "TrainingForecast",
    "TrainingSettings",
    "UnknownTrackError",
    "UnknownUserError",
    "benchmark_genre",
    "evaluate_cold_start",
    "evaluate_sensitivity",
    "evaluate_similarity",
    "export_model",
    "forecast_training",
    "pretrain",
    "train",
]

_MODULES = {
    "AudioVectors": "embedding.audio_vectors",
    "Catalogue": "catalogue.catalogue",
    "CatalogueError": "errors",
    "CatalogueMap": "search.catalogue_map",
    "Client": "client",
    "DecodeError": "errors",
    "DuplicateTrackError": "errors",
    "EmbedPlan": "embedding.plan",
    "EmbedResult": "embedding.embedding",
    "Embedder": "embedding.audio_vectors",
    "Engine": "engine",
    "GenrePrediction": "genre.genres",
    "Info": "info",
    "LearnedUsersReport": "recall.recommendations",
    "Match": "search.explanation",
    "Neighbour": "search.neighbours",
    "NotTrainedError": "errors",
    "Play": "recall.recommendations",
    "PretrainConfig": "training.pretraining",
    "RecalledUser": "recall.recommendations",
    "RecalledTrack": "recall.recommendations",
    "RecipeMismatchError": "errors",
    "ServiceError": "client",
    "Space": "embedding.models",
    "Steering": "search.steering",
    "Tags": "catalogue.tags",
    "TooLongError": "errors",
    "Track": "catalogue.track",
    "TrackFilter": "catalogue.filters",
    "TrackValuesError": "errors",
    "TrackVector": "catalogue.track",
    "TrainingFiles": "training.pipeline",
    "TrainingForecast": "training.forecast",
    "TrainingSettings": "training.training",
    "UnknownTrackError": "errors",
    "UnknownUserError": "errors",
    "benchmark_genre": "evaluation.genre.pipeline",
    "evaluate_cold_start": "evaluation.cold_start.pipeline",
    "evaluate_sensitivity": "evaluation.sensitivity",
    "evaluate_similarity": "evaluation.similarity",
    "export_model": "embedding.model_export",
    "forecast_training": "training.forecast",
    "pretrain": "training.pretraining",
    "train": "training.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
