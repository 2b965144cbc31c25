"""The commands ``train`` (a model, on a play log) and ``pretrain`` (an encoder, on audio and makers)."""
# ruff: noqa: PLR0913, PLR0917  (a command has as many parameters as it has options)

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import audio_engine
from audio_engine.cli.options import AsJson, Store
from audio_engine.cli.printing import length, number, printable, put, put_json, put_table, say

if TYPE_CHECKING:
    from audio_engine.training.forecast import TrainingForecast

HOUR_S = 3_600


def train(
    plays: Annotated[Path, typer.Option(help="The play log, Parquet or CSV: user, track, day, completion, action.")],
    out: Annotated[
        Path, typer.Option(metavar="MODEL_DIR", help="Folder of the model; the same folder resumes a killed run.")
    ],
    users: Annotated[Path | None, typer.Option(help="Users with any columns of categories and numbers.")] = None,
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
    max_epochs: Annotated[
        int, typer.Option(min=0, help="Epochs of metric learning at most; 0: all tracks are fitted to, none held out.")
    ] = 20,
    below_head: Annotated[bool, typer.Option(help="Train the taught features too, after the head.")] = False,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    devices: Annotated[int, typer.Option(min=1, help="GPUs.")] = 1,
    logger: Annotated[
        list[str] | None, typer.Option(help="tensorboard, csv or none; again for both, as without it.")
    ] = None,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what a training would need, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a model on plays.

    First the user tower, then the audio tower, with early stopping on tracks never played.
    """
    files = audio_engine.TrainingFiles(
        plays=plays, users=users, cold_plays=cold_plays, tracks=tracks, audio=audio, catalogue=catalogue
    )
    settings = audio_engine.TrainingSettings.of(
        loss=loss, n_disliked=n_disliked, max_epochs=max_epochs, below_head=below_head, seed=seed, n_devices=devices
    )
    if dry_run:
        needs = audio_engine.forecast_training(
            files, out, start_from=start_from, settings=settings, store=store, n_workers=workers
        )
        put_forecast(needs, as_json=as_json)
        return
    report = audio_engine.train(
        files,
        out,
        start_from=start_from,
        settings=settings,
        store=store,
        n_workers=workers,
        on_progress=lambda line: say(printable(line)),
        loggers=logger or ("csv", "tensorboard"),
    )
    trained = asdict(report)
    if as_json:
        put_json(trained)
    else:
        put_table(
            ["", "value"],
            [(name.replace("_", " "), number(value)) for name, value in trained.items() if value is not None],
        )
        say(f"next: audio-engine use-model {printable(out)}")


def put_forecast(needs: "TrainingForecast", *, as_json: bool) -> None:
    """Put on stdout what a training would need."""
    if as_json:
        put_json(asdict(needs) | {"total_hours": needs.total_hours})
        return
    counts = f"{needs.n_tracks} tracks, {needs.n_users} users, {needs.n_plays} plays"
    put(f"{counts}, {needs.n_log_mels} log-mels to compute (dry run: nothing was done)")
    hours = {**needs.hours, "all, at most": needs.total_hours}
    rows = [(part, length(HOUR_S * value)) for part, value in hours.items()]
    rows += [("memory", f"{needs.memory_gb:.2g} GB")]
    rows += [(f"disk, {folder}", f"{value:.2g} GB") for folder, value in needs.disk_gb.items()]
    put_table(["", "needs"], rows)


def pretrain(
    tracks: Annotated[Path, typer.Option(metavar="FILE", help="Parquet or CSV: a row a track, with its file's name.")],
    audio: Annotated[Path, typer.Option(metavar="DIR", help="Holds the files that the table names.")],
    out: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Folder of the model.")],
    maker: Annotated[str, typer.Option(metavar="COLUMN", help="The maker of a track.")] = "artist_key",
    split: Annotated[str, typer.Option(metavar="NAME", help="Train on tracks of this split only.")] = "train",
    start_from: Annotated[
        Path | None, typer.Option(metavar="MODEL_DIR", help="A model whose features are kept; the one in the package.")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option(help="Learn filters from these tracks, and no taught features.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
    logger: Annotated[list[str] | None, typer.Option(help="tensorboard or csv; again for both.")] = None,
) -> None:
    """Train an encoder on audio and makers alone.

    Tracks of one maker come to lie close.
    """
    say("decoding and training: some minutes for some hundred tracks")
    config = audio_engine.PretrainConfig(seed=seed)
    model_id = audio_engine.pretrain(
        tracks,
        audio,
        out,
        maker=maker,
        split=split,
        start_from=start_from,
        from_scratch=from_scratch,
        config=config,
        on_progress=lambda line: say(printable(line)),
        loggers=logger or (),
    )
    say(f"model {model_id} written to {printable(out)}: audio-engine use-model {printable(out)}")
