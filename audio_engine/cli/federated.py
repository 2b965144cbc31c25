"""The commands of ``audio-engine federated``: two parties train user vectors together, and serve those of new users."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from audio_engine.cli.options import AsJson, parquet_file, table_file
from audio_engine.cli.printing import printable, put_json, put_table, say

federated_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Learn users of the first day together with a partner."
)

ADDRESS = "127.0.0.1:8765"
STOP_S = 60.0  # that a partner's process that we started has to end

Vectors = Annotated[Path, typer.Option(metavar="FILE", help='What "audio-engine export" wrote, or track and vector.')]
Users = Annotated[Path | None, typer.Option(metavar="FILE", help="Users with any columns of categories.")]
Secret = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The key of hashed ids: 16 bytes or more, the same at both parties.")
]
Patience = Annotated[float, typer.Option("--patience", metavar="SECONDS", min=1, help="Wait so long for the other.")]
Partner = Annotated[
    Path | None, typer.Option(metavar="FILE", help="To try it out: start the partner's process here, with this table.")
]
PartnerModel = Annotated[Path | None, typer.Option(metavar="DIR", help="Where that process keeps its half.")]


@federated_app.callback()
def options() -> None:
    """Learn users of the first day together with a partner."""


@federated_app.command()
def train(
    plays: Annotated[Path, typer.Argument(metavar="PLAYS", help="The play log: user, track, completion, action.")],
    vectors: Vectors,
    out: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Where our half goes.")],
    users: Users = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the partner joins.")] = ADDRESS,
    alignment: Annotated[
        Literal["psi", "hashed"], typer.Option(help="Private set intersection, or keyed hashes.")
    ] = "psi",
    secret: Secret = None,
    head: Annotated[Literal["mmoe", "ple"], typer.Option(help="The multi-task head.")] = "mmoe",
    guard: Annotated[
        Literal["none", "max-norm", "marvell"], typer.Option(help="Noise against reading labels from gradients.")
    ] = "none",
    noise: Annotated[
        float, typer.Option(min=0, help="Noise of differential privacy at the cut, relative to the clip; 0: none.")
    ] = 0.0,
    steps: Annotated[int, typer.Option(min=1, help="Of training.")] = 1200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
    patience_s: Patience = 600.0,
    partner: Partner = None,
    partner_model: PartnerModel = None,
    as_json: AsJson = False,
) -> None:
    """Wait for a partner to join, and train user vectors with it. Plays and labels stay here, its features there."""
    from audio_engine.federated import ours
    from audio_engine.federated.alignment import read_secret
    from metric_learning.federated.recipe import FederatedTraining

    training = FederatedTraining(n_steps=steps, guard=guard, noise_multiplier=noise, seed=seed)
    conversation = ours.Conversation(
        address=listen, alignment=alignment, secret=read_secret(secret), patience_s=patience_s
    )
    with ExitStack() as stack:
        report = ours.train(
            plays=plays,
            vectors=vectors,
            users=users,
            out=out,
            training=training,
            head=head,
            conversation=conversation,
            on_listening=lambda address: _invite(stack, address, partner, partner_model, secret),
            on_progress=say,
        )
    _put_report(asdict(report), as_json=as_json)
    if not as_json:
        say(f"next: audio-engine federated serve {printable(out)} --users NEW_USERS --vectors FILE --out USERS.parquet")


@federated_app.command()
def serve(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help='What "federated train" made.')],
    vectors: Vectors,
    out: Annotated[
        Path, typer.Option(metavar="FILE", callback=parquet_file, help="A Parquet file: user, vector, track, weight.")
    ],
    plays: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The users' first plays, if there are any.")
    ] = None,
    users: Users = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where the partner joins; without it there is no partner.")
    ] = None,
    ranked: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=table_file, help="Also: user, rank, track, score, by the multi-task head."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Tracks a user in that file.")] = 100,
    secret: Secret = None,
    patience_s: Patience = 600.0,
    partner: Partner = None,
    partner_model: PartnerModel = None,
    as_json: AsJson = False,
) -> None:
    """Write vectors of new users.

    From first plays and what a partner knows; they are comparable with those of tracks.
    """
    from audio_engine.federated import ours
    from audio_engine.federated.alignment import read_secret

    if plays is None and users is None:
        raise typer.BadParameter("give --users, --plays or both", param_hint="--users")
    conversation = None
    if listen or partner:
        conversation = ours.Conversation(address=listen or ADDRESS, secret=read_secret(secret), patience_s=patience_s)
    with ExitStack() as stack:
        report = ours.serve(
            model,
            vectors=vectors,
            plays=plays,
            users=users,
            out=out,
            conversation=conversation,
            ranked=ranked,
            k=k,
            on_listening=lambda address: _invite(stack, address, partner, partner_model, secret),
        )
    _put_report(asdict(report), as_json=as_json)


@federated_app.command()
def join(
    features: Annotated[Path, typer.Argument(metavar="FEATURES", help="A table: user, and columns of numbers.")],
    model: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Where this party's half goes, or lies.")],
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the other party listens.")] = ADDRESS,
    secret: Secret = None,
    patience_s: Patience = 600.0,
    as_json: AsJson = False,
) -> None:
    """Be the partner: join a training, or the serving of new users. Features and ids stay here."""
    from audio_engine.federated.alignment import read_secret
    from audio_engine.federated.partner import join as join_party

    report = join_party(
        features, model, address=address, secret=read_secret(secret), patience_s=patience_s, on_progress=say
    )
    _put_report(asdict(report), as_json=as_json)


def _invite(
    stack: ExitStack, address: str, partner: Path | None, partner_model: Path | None, secret: Path | None
) -> None:
    """Say where a partner can join; or start its process, if its table was given, and see that it ends."""
    if partner is None:
        say(f"listening: audio-engine federated join FEATURES --model DIR --address {address}")
        return
    from audio_engine.federated.tables import read_features

    if partner_model is None:
        raise typer.BadParameter("--partner needs a folder for the partner's half", param_hint="--partner-model")
    read_features(partner)  # what is wrong with it is said here, before anyone waits for it
    typed = ["federated", "join", str(partner), "--model", str(partner_model), "--address", address]
    typed += [] if secret is None else ["--secret", str(secret)]
    process = subprocess.Popen(
        [sys.executable, "-m", "audio_engine.cli.main", *typed], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    stack.callback(process.wait, STOP_S)
    stack.push(lambda kind, *_: process.terminate() if kind else None)


def _put_report(report: dict[str, object], *, as_json: bool) -> None:
    """Put on stdout what was done, with the bytes that crossed."""
    if as_json:
        put_json(report)
        return
    n_bytes = report.pop("n_bytes")
    rows: list[tuple[str, object]] = [
        (name.replace("_", " ").removeprefix("n "), f"{value:.6g}" if isinstance(value, int | float) else value)
        for name, value in report.items()
        if value is not None
    ]
    if isinstance(n_bytes, dict):
        rows += [(f"bytes {kind}", n) for kind, n in n_bytes.items()]
    put_table(("", "value"), rows)
