"""Export of a model as an ONNX file, with a page beside it that shows how it is run without this package."""

from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Literal

from audio_engine.atomic_files import write_whole
from audio_engine.embedding.models import shipped_model_id
from metric_learning.model_files import DEFAULT_MODEL_DIR, model_id_of
from metric_learning.space import space_of

SHIPPED_LICENCE = "MIT"  # of the weights in the package, as of all that is in it
NEEDED = ("onnx", "onnxscript")  # of the extra "onnx"
PAGES = Path(__file__).parent / "model_export_pages"


def check_extra() -> None:
    """Refuse to begin without the extra "onnx", before torch is loaded.

    Raises
    ------
    ModuleNotFoundError
    """
    for name in NEEDED:
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"{name} is not installed: pip install 'audio-content-engine[onnx]'", name=name)


def export_model(
    out: str | Path,
    model_dir: str | Path | None = None,
    *,
    graph_input: Literal["waveform", "log-mel"] = "waveform",
    licence: str = "",
) -> Path:
    """Write a model as an ONNX file, which runs without torch, and how to use it.

    Parameters
    ----------
    out
        The file; its name ends in ``.onnx``. Beside it comes a page of the same name, ending in ``.README.md``.
    model_dir
        A model's folder; by default the one that ships.
    graph_input
        "waveform": the graph takes sound. "log-mel": it takes log-mels, for programs with a front end of their own.
    licence
        Of the weights, for the file's metadata; that of the model that ships is known.

    Returns
    -------
    page
        The page's path.

    Raises
    ------
    ValueError
        When the name does not end so, or there is no such input.
    FileNotFoundError, RecipeMismatchError
        When the folder is not a model, or damaged.
    ModuleNotFoundError
        When the extra "onnx" is not installed.
    """
    out = Path(out)
    if out.suffix != ".onnx":
        raise ValueError(f"out must end in .onnx, got {str(out)!r}")
    check_extra()
    from metric_learning.onnx_export import export_onnx  # noqa: PLC0415  (torch)

    folder = DEFAULT_MODEL_DIR if model_dir is None else Path(model_dir)
    licence = licence or (SHIPPED_LICENCE if model_id_of(folder) == shipped_model_id() else "")
    write_whole(out, export_onnx(folder, graph_input=graph_input, licence=licence))
    page = out.with_suffix(".README.md")
    write_whole(page, _page(out.name, folder, graph_input, licence or "not stated").encode())
    return page


def _page(name: str, model_dir: Path, graph_input: str, licence: str) -> str:
    """Fill the page in for one model."""
    space = space_of(model_dir)
    mel = space.preprocessing
    fields = ("sample_rate", "n_fft", "win_length", "hop_length", "n_mels", "f_min", "f_max", "n_segments")
    samples = round(mel["segment_s"] * mel["sample_rate"])
    return Template((PAGES / f"{graph_input}.md").read_text()).substitute(
        {field: mel[field] for field in fields},
        file=name,
        model_id=space.model_id,
        dim=space.dim,
        licence=licence,
        segment_s=f"{mel['segment_s']:g}",
        segment_samples=samples,
        n_frames=samples // mel["hop_length"] + 1,
    )
