"""Summary of a catalogue, its models and its index, in numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.track import DIM
from audio_engine.embedding.models import Models, shipped_model_id
from index.kinds import IndexDescription, kind_for


@dataclass(frozen=True, kw_only=True)
class Info:
    """The numbers of a catalogue."""

    directory: Path
    n_tracks: int  # embedded
    n_failed: int
    n_with_warnings: int  # embedded, though decoding lost or mended something
    n_pending: int  # embedded, but not yet by the target model
    model_id: str | None  # the active model; None before the first track
    target_model_id: str | None  # the model being moved to; None if there is no move
    shipped_model_id: str  # comes with this version of the package
    dim: int
    index_kind: str  # exact, inverted or compressed
    index_recall: float | None  # of the true ten nearest, the share that it finds; None while it is not built
    index_bytes: int | None  # in memory; None while it is not built
    catalogue_bytes: int
    recipe: dict[str, Any]  # of the active model: front end and segments


def sum_up(catalogue: Catalogue, models: Models, index: IndexDescription | None) -> Info:
    """Sum up a catalogue and its index, None where it is yet to be built; no model is loaded."""
    n_tracks = catalogue.n_tracks("embedded")
    return Info(
        directory=catalogue.path.parent,
        n_tracks=n_tracks,
        n_failed=catalogue.n_tracks("failed"),
        n_with_warnings=catalogue.n_with_warnings(),
        n_pending=catalogue.n_pending(models.target_id),
        model_id=catalogue.model_id,
        target_model_id=catalogue.target_model_id,
        shipped_model_id=shipped_model_id(),
        dim=DIM,
        index_kind=kind_for(n_tracks) if index is None else index.kind,
        index_recall=None if index is None else index.index_recall,
        index_bytes=None if index is None else index.n_bytes,
        catalogue_bytes=sum(file.stat().st_size for file in catalogue.path.parent.glob(f"{catalogue.path.name}*")),
        recipe=models.recipe(),
    )
