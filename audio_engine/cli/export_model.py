"""The command ``export-model``: a model as an ONNX file, for programs without torch."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import audio_engine
from audio_engine.cli.options import new_file
from audio_engine.cli.printing import printable, say


def export_model(
    out: Annotated[
        Path, typer.Argument(metavar="OUT.onnx", callback=new_file, help="The file; OUT.README.md shows how to run it.")
    ],
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Weights and recipe; the model that ships otherwise.")
    ] = None,
    graph_input: Annotated[
        Literal["waveform", "log-mel"],
        typer.Option("--input", help="What the file takes: sound, or log-mels of a front end of your own."),
    ] = "waveform",
    licence: Annotated[str, typer.Option(metavar="NAME", help="Of the weights, for the file's metadata.")] = "",
) -> None:
    """Write a model as an ONNX file.

    It runs without torch: in Python, in a browser, anywhere.
    """
    from audio_engine.embedding.model_export import check_extra  # noqa: PLC0415  (so that help is instant)

    check_extra()
    say("tracing the model: about half a minute")
    page = audio_engine.export_model(out, model, graph_input=graph_input, licence=licence)
    say(f"written to {printable(out)}; how to run it: {printable(page)}")
