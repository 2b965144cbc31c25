"""ONNX export of a model, from sound or from its log-mel to the vector, for programs without torch.

The front end and the encoder are exported as they are, whatever modules they are made of. Spectra become the operator
DFT of opset 20, which onnxruntime and onnxruntime-web compute on a CPU: a matrix with the same basis would add 17 MB.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from features.mel import LogMel
from metric_learning.checkpoint import load_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.space import space_of

OPSET = 20  # the first that has DFT with its axis as an input; onnxruntime 1.18 and newer run it
OUTPUT = "vectors"
EXAMPLE_SHAPE = (2, 3)  # tracks, segments; sizes of 1 would be taken for fixed

GraphInput = Literal["waveform", "log-mel"]
INPUT_NAMES: dict[GraphInput, str] = {"waveform": "segments", "log-mel": "log_mel"}


class WaveformEncoder(nn.Module):
    """The front end followed by the encoder."""

    def __init__(self, front_end: LogMel, encoder: AudioEncoder) -> None:
        super().__init__()
        self.front_end = front_end
        self.encoder = encoder

    def forward(self, segments: Tensor) -> Tensor:
        """Embed tracks: (n_tracks, n_segments, segment_samples) to (n_tracks, dim)."""
        vectors: Tensor = self.encoder(self.front_end.of_segments(segments))
        return vectors


def export_onnx(
    model_dir: Path = DEFAULT_MODEL_DIR, *, graph_input: GraphInput = "waveform", licence: str = ""
) -> bytes:
    """Export a model as an ONNX file.

    Parameters
    ----------
    model_dir
        A folder as `metric_learning.checkpoint` writes it.
    graph_input
        "waveform": `segments` (n_tracks, n_segments, segment_samples), mono at the recipe's sample rate, at any level.
        "log-mel": `log_mel` (n_tracks, n_segments, n_mels, n_frames), as `features.mel.LogMel.of_segments` returns it.
    licence
        Of the weights; written into the file where given.

    Returns
    -------
    onnx
        A graph from that input to `vectors` (n_tracks, dim), of unit length, for any number of tracks and segments. Its
        metadata are the fields of `metric_learning.space.Space`, those that are no text as JSON, and the licence.

    Raises
    ------
    ValueError
        When there is no such input.
    FileNotFoundError, RecipeMismatchError
        When the folder is not a model, or damaged.
    ModuleNotFoundError
        When the extra "onnx" is not installed.
    """
    if graph_input not in INPUT_NAMES:
        raise ValueError(f"graph_input must be one of {', '.join(INPUT_NAMES)}, got {graph_input!r}")
    import onnx  # noqa: F401, PLC0415  (of the extra "onnx")
    import onnxscript  # noqa: F401, PLC0415

    encoder, recipe = load_checkpoint(model_dir)
    example = torch.rand(*EXAMPLE_SHAPE, recipe.segment_samples)
    module: nn.Module = WaveformEncoder(LogMel(recipe), encoder)
    if graph_input == "log-mel":
        module, example = encoder, LogMel(recipe).of_segments(example)
    return _export(module.eval(), example, name=INPUT_NAMES[graph_input], metadata=_metadata(model_dir, licence))


def _export(module: nn.Module, example: Tensor, *, name: str, metadata: dict[str, str]) -> bytes:
    """Trace a module and write its graph."""
    with torch.no_grad(), _quiet():
        module(example)  # fills caches with tensors that the graph takes as constants
        program = torch.onnx.export(
            module,
            (example,),
            input_names=[name],
            output_names=[OUTPUT],
            dynamic_shapes=({0: "n_tracks", 1: "n_segments"},),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    program.model.metadata_props.update(metadata)
    written: bytes = program.model_proto.SerializeToString()
    return written


def _metadata(model_dir: Path, licence: str) -> dict[str, str]:
    """Say in the file what its vectors are."""
    space = asdict(space_of(model_dir)) | ({"licence": licence} if licence else {})
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in space.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from saying that operators of torchvision, which no model here has, cannot be exported."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
