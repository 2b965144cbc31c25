"""Stages that run on the machines of a cluster: read audio files, and embed them to rows of `vector_table`.

Stages exchange Arrow tables with one schema. Any fault of a file becomes the ``error`` of its row; nothing is raised,
so Ray repeats a task only if a machine or a process died.
"""
# ruff: noqa: PLC0415  (pyarrow comes with the extra "ray", torch is for the stage that needs it)

from dataclasses import asdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_engine.catalogue.tags import Tags, one_line
from audio_engine.catalogue.track import DIM
from audio_engine.cluster.locations import local_copy
from audio_engine.cluster.vector_table import TEXT_TAGS
from audio_engine.decoding.pool import DecoderPool
from audio_engine.embedding.reading import content_hash_of
from features.decode_errors import DecodeError
from features.recipe import MelRecipe
from metric_learning.model_files import RECIPE_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    import pyarrow as pa


def read_track(batch: "pa.Table", *, recipe: MelRecipe) -> "pa.Table":
    """Read one file: all columns but ``vector`` and ``model_id``, and the segments as bytes.

    Parameters
    ----------
    batch
        One row, with the column ``uri``.
    recipe
        Which segments to decode.
    """
    import pyarrow as pa

    row = read_row(batch["uri"][0].as_py(), _decoders(recipe))
    return pa.Table.from_pylist([row], schema=_read_schema())


def read_row(uri: str, decoders: DecoderPool) -> dict[str, object]:
    """Read one file as a local embed does, in a process that may crash; any fault becomes its ``error``."""
    row: dict[str, object] = {"uri": uri, "content_hash": None, "file_size": 0, "mtime_ns": 0}
    row |= asdict(Tags()) | {"error": "", "warnings": ""}
    try:
        with local_copy(uri) as file:
            row |= {"file_size": file.file_size, "mtime_ns": file.mtime_ns, "content_hash": content_hash_of(file.path)}
            sound = decoders.read(file.path)
    except Exception as error:  # noqa: BLE001  (the clients of object stores raise anything)
        return row | {"error": _reason(error), "segments": b""}
    segments = sound.segments.astype(np.float32, copy=False).tobytes()
    return row | asdict(sound.tags) | {"warnings": "\n".join(sound.warnings), "segments": segments}


class EmbedTracks:
    """The embedding stage: a model on one device of a cluster, which adds vectors to rows.

    Parameters
    ----------
    recipe, weights
        The content of a model's files, as `metric_learning.model_files.read_model_files` returns it: machines need no
        model files, and cannot use a different model.
    """

    def __init__(self, recipe: bytes, weights: bytes) -> None:
        from metric_learning.embedder import Embedder

        with TemporaryDirectory(prefix="audio-engine-") as folder:
            (Path(folder) / RECIPE_FILE).write_bytes(recipe)
            (Path(folder) / WEIGHTS_FILE).write_bytes(weights)
            self._embedder = Embedder.load(Path(folder))

    def __call__(self, batch: "pa.Table") -> "pa.Table":
        """Embed the rows of a batch that hold audio."""
        import pyarrow as pa

        vectors: list[Any] = [None] * batch.num_rows
        sounds = [row for row, error in enumerate(batch["error"].to_pylist()) if not error]
        if sounds:
            segments = np.stack([self._segments(batch["segments"][row]) for row in sounds])
            for row, vector in zip(sounds, self._embedder.embed(segments), strict=True):
                vectors[row] = vector
        model_ids = [self._embedder.model_id] * batch.num_rows
        embedded = batch.drop_columns(["segments"]).append_column("vector", pa.array(vectors, _vector_type()))
        return embedded.append_column("model_id", pa.array(model_ids, pa.string()))

    def _segments(self, content: "pa.LargeBinaryScalar") -> np.ndarray[Any, np.dtype[np.float32]]:
        """View the content as (n_segments, segment_samples) without a copy."""
        recipe = self._embedder.recipe
        return np.frombuffer(content.as_buffer(), np.float32).reshape(recipe.n_segments, recipe.segment_samples)


@cache
def _decoders(recipe: MelRecipe) -> DecoderPool:
    """Keep one decoder for the life of this Ray process, which reads one file at a time."""
    return DecoderPool(recipe, n_workers=1)


def _reason(error: Exception) -> str:
    """Describe an error in one line, never empty."""
    if isinstance(error, DecodeError):
        return one_line(str(error))
    return one_line((isinstance(error, OSError) and error.strerror) or f"{type(error).__name__}: {error}")


def _read_schema() -> "pa.Schema":
    """Return the schema of the reading stage."""
    import pyarrow as pa

    text = {name: pa.string() for name in (*TEXT_TAGS, "error", "warnings")}
    numbers = {"file_size": pa.int64(), "mtime_ns": pa.int64()}
    return pa.schema(
        {"uri": pa.string(), "content_hash": pa.string(), **numbers, **text}
        | {
            "year": pa.int32(),
            "duration_s": pa.float64(),
            "segments": pa.large_binary(),
        }
    )


def _vector_type() -> "pa.DataType":
    import pyarrow as pa

    return pa.list_(pa.float32(), DIM)
