"""CPU use of ``embed``: the options ``--cpu-budget``, ``--nice`` and ``--profile``."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from audio_engine.cli.printing import put, put_json

if TYPE_CHECKING:
    from audio_engine.embedding.plan import EmbedPlan
    from audio_engine.engine import Engine

NICENESS = 10  # of 19: below interactive programs, above idle-only jobs
MAX_PER_CENT = 100


def share_of(cpu_budget: str) -> float:
    """Read a share of the processors, as in "50%".

    Raises
    ------
    typer.BadParameter
        When it is no percentage above 0 and at most 100.

    Examples
    --------
    >>> share_of("50%"), share_of("12.5")
    (0.5, 0.125)
    """
    try:
        per_cent = float(cpu_budget.strip().removesuffix("%"))
    except ValueError:
        per_cent = 0.0
    if not 0 < per_cent <= MAX_PER_CENT:
        raise typer.BadParameter(f"must be above 0% and at most 100%, got {cpu_budget}", param_hint="--cpu-budget")
    return per_cent / 100


def give_way() -> None:
    """Lower the priority of this process and of the decoders it starts."""
    if not hasattr(os, "nice"):
        raise typer.BadParameter("not available on this system", param_hint="--nice")
    os.nice(NICENESS)


def put_profile(engine: "Engine", plan: "EmbedPlan", *, as_json: bool) -> int:
    """Put on stdout where the time of a plan would go; returns the exit status."""
    from audio_engine.embedding.profile import profile_embedding  # noqa: PLC0415  (loads the decoders)

    paths = plan.to_embed or plan.unchanged
    if not paths:
        raise typer.BadParameter("no sound files there", param_hint="FOLDER")
    profile = profile_embedding(paths, engine.embedder)
    if as_json:
        put_json(asdict(profile) | {"total": profile.total, "decode_share": profile.decode_share})
        return 0
    for stage, seconds in asdict(profile).items():
        put(f"{stage:<10}{1_000 * seconds:8.1f} ms{seconds / profile.total:7.0%}")
    put(f"{'in all':<10}{1_000 * profile.total:8.1f} ms of a processor for a track")
    put(f"rate over that of decoding and resampling alone: {profile.decode_share:.2f}")
    return 0
