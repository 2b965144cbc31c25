"""Entry point of the command line, ``audio-engine``: runs a command and turns every error into a message and a status.

Exit status: 0 done, 1 some failed, 2 misuse (what the user must change, an unknown track or a missing extra among it),
130 stopped by Ctrl-C. The commands are imported inside ``main``, so that even a Ctrl-C while they load ends without a
traceback.
"""
# ruff: noqa: PLC0415  (see above)

import io
import logging
import os
import sys
import traceback

from audio_engine.errors import (
    FloorError,
    NotTrainedError,
    RecipeMismatchError,
    TrackValuesError,
    UnknownTrackError,
    UnknownUserError,
)

SOME_FAILED, MISUSE, INTERRUPTED = 1, 2, 130  # exit statuses
MISUSES = (
    UnknownTrackError,
    UnknownUserError,
    NotTrainedError,
    TrackValuesError,
    FloorError,
    RecipeMismatchError,
    FileExistsError,
    FileNotFoundError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
)  # and what validation refused

EXTRAS = {  # by module
    "pytorch_lightning": "train",
    "tensorboard": "train",
    "matplotlib": "card",
    "implicit": "peers",
    "mirdata": "genre",
    "ray": "ray",
    "fsspec": "ray",
    "pyarrow": "ray",
    "duckdb": "metrics",
    "pyspark": "stream",
    "plotly": "page",
    "uvicorn": "serve",
    "python_multipart": "serve",
    "prometheus_client": "serve",
    "fastapi_offline": "serve",
    "httpx": "client",
    "grpc": "federated",
    "opacus": "federated",
    "private_set_intersection": "federated",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "gensim": "represent",
}


def main() -> None:
    """Run the command line; every error is one line on stderr, never a traceback."""
    try:
        _run()
    except BrokenPipeError:  # the reader has closed the pipe ("| head"), and Python must not flush again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(SOME_FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001  (the one place that reports errors)
        sys.exit(_report(error))


def _run() -> None:
    """Run the command that was typed."""
    from audio_engine.cli.commands import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # under a locale that lacks a letter
    try:
        app()
    finally:
        sys.stdout.flush()


def _report(error: Exception) -> int:
    """Say an error in one line; returns the exit status."""
    from audio_engine.cli.printing import printable, say

    if logging.getLogger(__package__).isEnabledFor(logging.DEBUG):
        traceback.print_exception(error)
    if isinstance(error, OSError):
        name = "" if error.filename is None else f"{printable(error.filename)}: "
        say(f"error: {name}{printable(error.strerror or error)}")
    elif isinstance(error, UnknownTrackError | UnknownUserError | NotTrainedError | TrackValuesError | ValueError):
        say(f"error: {printable(error)}")
    elif isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        say(f"error: {error.name} is not installed: pip install 'audio-content-engine[{EXTRAS[error.name]}]'")
        return MISUSE
    elif type(error).__module__.startswith("polars"):
        say(f"error: a table must be one that can be read, got {printable(str(error).partition(chr(10))[0])}")
        return MISUSE
    else:
        say(f"error: a fault in audio-engine: {type(error).__name__}: {printable(error)} (--debug shows where)")
    return MISUSE if isinstance(error, MISUSES) or type(error) is ValueError else SOME_FAILED


if __name__ == "__main__":
    main()
