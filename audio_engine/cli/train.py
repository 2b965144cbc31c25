"""The commands ``train`` (a model, on a play log) and ``pretrain`` (an encoder, on audio and makers)."""
# ruff: noqa: PLR0913, PLR0917  (a command has as many parameters as it has options)

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import audio_engine
from audio_engine.cli.options import AsJson, Store
from audio_engine.cli.printing import number, printable, put_json, put_table, say


def train(
    plays: Annotated[Path, typer.Option(help="The play log, Parquet or CSV: user, track, day, completion, action.")],
    out: Annotated[
        Path, typer.Option(metavar="MODEL_DIR", help="Folder of the model; the same folder resumes a killed run.")
    ],
    users: Annotated[Path | None, typer.Option(help="Users with any columns of categories.")] = None,
    tracks: Annotated[Path | None, typer.Option(help="Tracks: track, file, artist_key, split.")] = None,
    audio: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder of their files.")] = None,
    catalogue: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A catalogue instead of tracks and audio.")
    ] = None,
    cold_plays: Annotated[Path | None, typer.Option(help="Plays of tracks outside split == train, to stop on.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(metavar="MODEL_DIR", help="A model trained on audio alone.")
    ] = None,
    loss: Annotated[str, typer.Option(help="softmax, hinge or pairwise.")] = "hinge",
    n_disliked: Annotated[int, typer.Option(min=1, help="Negative tracks per liked one.")] = 1,
    max_epochs: Annotated[int, typer.Option(min=0, help="Epochs of metric learning at most.")] = 20,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    devices: Annotated[int, typer.Option(min=1, help="GPUs.")] = 1,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Train a model on plays: the user tower, then the audio tower, with early stopping on tracks never played."""
    files = audio_engine.TrainingFiles(
        plays=plays, users=users, cold_plays=cold_plays, tracks=tracks, audio=audio, catalogue=catalogue
    )
    settings = audio_engine.TrainingSettings.of(
        loss=loss, n_disliked=n_disliked, max_epochs=max_epochs, seed=seed, n_devices=devices
    )
    report = audio_engine.train(
        files, out, start_from=start_from, settings=settings, store=store, n_workers=workers, on_progress=say
    )
    trained = asdict(report)
    if as_json:
        put_json(trained)
    else:
        put_table(["", "value"], [(name.replace("_", " "), number(value)) for name, value in trained.items()])
        say(f"next: audio-engine use-model {printable(out)}")


def pretrain(
    tracks: Annotated[Path, typer.Option(metavar="FILE", help="A Parquet file: a row a track, with its file's name.")],
    audio: Annotated[Path, typer.Option(metavar="DIR", help="Holds the files that the table names.")],
    out: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Folder of the model.")],
    maker: Annotated[str, typer.Option(metavar="COLUMN", help="The maker of a track.")] = "artist_key",
    split: Annotated[str, typer.Option(metavar="NAME", help="Train on tracks of this split only.")] = "train",
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
) -> None:
    """Train an encoder on audio and makers alone, so that tracks of one maker are close."""
    say("decoding and training: some minutes for some hundred tracks")
    config = audio_engine.PretrainConfig(seed=seed)
    model_id = audio_engine.pretrain(tracks, audio, out, maker=maker, split=split, config=config)
    say(f"model {model_id} written to {printable(out)}: audio-engine use-model {printable(out)}")
