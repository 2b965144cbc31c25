"""Our process: it holds plays and vectors of tracks, trains beside a partner that joins, and serves new users."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from audio_engine.atomic_files import write_frames, write_table
from audio_engine.errors import RecipeMismatchError
from audio_engine.federated.alignment import align, check_method
from audio_engine.federated.link import Link, listen
from audio_engine.federated.model_folder import OurHalf, load_ours, save_ours
from audio_engine.federated.partner import SERVE, TRAIN, greet
from audio_engine.federated.privacy import epsilon, n_crossings
from audio_engine.federated.ranked import SCHEMA, ranked_lists
from audio_engine.federated.tables import read_demographics
from audio_engine.federated.users import read_known_users, read_track_vectors
from audio_engine.recall.user_profile import tastes_of
from audio_engine.recall.users import UserBatch, to_table
from metric_learning.federated.draws import PlayDraws
from metric_learning.federated.learner import Learner, embed_users, make_model
from metric_learning.federated.recipe import FederatedRecipe, FederatedTraining, Head

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """How our process speaks to the partner."""

    address: str = "127.0.0.1:0"  # HOST:PORT to listen at; port 0: any that is free
    alignment: str = "psi"  # or hashed
    secret: bytes = b""  # of hashed ids
    patience_s: float = 600.0  # to wait for the partner


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """The result of a training."""

    n_users: int  # with plays
    n_common: int  # of them, known to the partner
    n_plays: int
    n_left_out: int  # plays that could not be used
    n_tracks: int  # with plays
    loss: float  # mean over the last steps
    epsilon: float | None  # of one user's rows, each way, at `privacy.DELTA`; None without noise
    n_bytes: dict[str, int]  # that crossed, by direction and kind


@dataclass(frozen=True, kw_only=True)
class ServingReport:
    """The result of serving new users."""

    n_users: int
    n_with_plays: int
    n_common: int  # known to the partner
    n_bytes: dict[str, int]


class RemotePartner:
    """The partner's side of a step, in another process; a `metric_learning.federated.partner.PartnerSide`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def activations(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """Ask for the activations of the aligned users in some rows."""
        self._link.send("rows", values=rows.astype(np.int32))
        return torch.from_numpy(self._link.receive("activations")[1]["values"])

    def gradients(self, gradients: torch.Tensor) -> None:
        """Send the gradients of what was received last."""
        self._link.send("gradients", values=gradients.numpy())


def train(  # noqa: PLR0913  (the files, and how)
    *,
    plays: Path,
    vectors: Path,
    users: Path | None,
    out: Path,
    training: FederatedTraining,
    head: Head = "mmoe",
    conversation: Conversation,
    on_listening: Callable[[str], None] = logger.info,
    on_progress: Progress = logger.info,
) -> TrainingReport:
    """Wait for a partner, train with it, and write our half; the partner writes its own.

    Parameters
    ----------
    plays
        The play log: ``user, track``, and where there are such ``completion`` or ``played_s``, ``action``, ``day``.
    vectors
        What ``audio-engine export`` wrote, or a table of ``track`` and ``vector``.
    users
        ``user`` and columns of categories; None: nothing is known of users but what they play.
    out
        Folder of our half.
    training, head
        How.
    conversation
        Where to listen, and how to align users.
    on_listening
        Called with the address as soon as a partner can join.
    on_progress
        Called with a line of text from time to time.

    Raises
    ------
    PartnerError
        When the partner has gone, does not answer, or says what it should not.
    ValueError
        When a table lacks what it must have, or no play is of a track with a vector.
    """
    check_method(conversation.alignment, secret=conversation.secret)
    tracks = read_track_vectors(vectors)
    known = read_known_users(plays, tracks=tracks, demographics=read_demographics(users), only_with_plays=True)
    played = np.zeros(len(tracks), np.bool_)
    played[known.plays.track] = True
    vectors_played = tracks.vectors[torch.from_numpy(played)]
    recipe = FederatedRecipe(
        n_tracks=len(vectors_played), categories=known.n_values, dim=tracks.vectors.shape[1], head=head
    )
    training_id = token_hex(6)
    settings = {"training_id": training_id, "training": asdict(training), "cut_dim": recipe.cut_dim}
    model = make_model(recipe, seed=training.seed)
    draws = PlayDraws(known.plays.of_tracks(played), len(known.users), categories=known.categories, recipe=recipe)
    if not draws.n_able:
        raise ValueError(f"{plays.name} must hold a user with two plays or more of tracks with a vector, got none")
    with _partner_for(TRAIN, known.users, settings, conversation, on_listening) as (link, row_at_partner):
        on_progress(f"{(row_at_partner >= 0).sum()} of {len(known.users)} users are known to the partner")
        learner = Learner(
            model,
            draws,
            vectors=vectors_played,
            row_at_partner=row_at_partner,
            partner=RemotePartner(link),
            training=training,
        )
        loss = learner.train(on_progress=on_progress)
        _stop(link)
    track_ids = [tracks.track_ids[row] for row in np.flatnonzero(played)]
    half = OurHalf(
        model=model,
        training=training,
        training_id=training_id,
        encoder_id=tracks.encoder_id,
        track_ids=track_ids,
        values=known.values,
        alignment=conversation.alignment,
    )
    save_ours(out, half)
    n_rows = n_crossings(training, n_users=draws.n_able)
    spent = epsilon(training.noise_multiplier, n_rows=n_rows) if training.noise_multiplier else None
    return TrainingReport(
        n_users=len(known.users),
        n_common=int((row_at_partner >= 0).sum()),
        n_plays=len(known.plays),
        n_left_out=known.n_left_out,
        n_tracks=len(track_ids),
        loss=loss,
        epsilon=spent,
        n_bytes=dict(link.n_bytes),
    )


def serve(  # noqa: PLR0913  (the files, and how)
    model_dir: Path,
    *,
    vectors: Path,
    plays: Path | None,
    users: Path | None,
    out: Path,
    conversation: Conversation | None,
    ranked: Path | None = None,
    k: int = 100,
    on_listening: Callable[[str], None] = logger.info,
) -> ServingReport:
    """Write a vector for each new user, from a few plays or none, demographics, and what a partner knows.

    Parameters
    ----------
    model_dir
        Our half.
    vectors
        Of the same encoder as in training.
    plays
        The users' first plays; None: nobody has played anything yet.
    users
        The users to serve, with the columns that the model learned from; None: those of `plays`.
    out
        A Parquet file: ``user, vector`` (unit length, comparable with the tracks' vectors), ``track, weight`` (what was
        played, as `audio_engine.recall.users` has it), ``partner_knows``.
    conversation
        Where the partner joins; None: without a partner.
    ranked, k
        A Parquet file of the `k` best tracks of each user by the head, as `ranked` writes it; None: no such file.
    on_listening
        Called with the address as soon as a partner can join.

    Raises
    ------
    PartnerError, ValueError
        As `train`.
    FileNotFoundError, RecipeMismatchError
        When our half is missing or damaged, or the vectors are of another encoder.
    """
    half, tracks = load_ours(model_dir), read_track_vectors(vectors)
    if half.encoder_id and tracks.encoder_id and half.encoder_id != tracks.encoder_id:
        raise RecipeMismatchError(f"{vectors.name} must be of model {half.encoder_id}, got {tracks.encoder_id}")
    demographics = read_demographics(users, half.values)
    new = read_known_users(plays, tracks=tracks, demographics=demographics, only_with_plays=users is None)
    draws = PlayDraws(new.plays, len(new.users), categories=new.categories, recipe=half.model.recipe)
    row_of = {track_id: row for row, track_id in enumerate(half.track_ids)}
    known = torch.tensor([row_of.get(track_id, -1) for track_id in tracks.track_ids])
    row_at_partner, n_bytes = np.full(len(new.users), -1), dict[str, int]()
    if conversation is None:
        told = embed_users(half.model, draws, tracks.vectors, row_at_partner=row_at_partner, partner=None, known=known)
    else:
        settings, conversation = {"training_id": half.training_id}, replace(conversation, alignment=half.alignment)
        check_method(conversation.alignment, secret=conversation.secret)
        with _partner_for(SERVE, new.users, settings, conversation, on_listening) as (link, row_at_partner):
            told = embed_users(
                half.model,
                draws,
                tracks.vectors,
                row_at_partner=row_at_partner,
                partner=RemotePartner(link),
                known=known,
            )
            _stop(link)
        n_bytes = dict(link.n_bytes)
    now = float(new.plays.day.max(initial=0))
    tastes = tastes_of(new.plays, len(new.users), len(tracks), now=now)
    table = to_table(
        UserBatch(users=new.users, vectors=told.recall.numpy(), tastes=tastes), pl.Series(tracks.track_ids)
    )
    write_table(table.with_columns(partner_knows=pl.Series(row_at_partner >= 0)), out)
    if ranked is not None:
        lists = ranked_lists(
            half.model,
            told,
            names=new.users,
            heard=tastes,
            vectors=tracks.vectors,
            known=known,
            track_ids=tracks.track_ids,
            k=k,
        )
        write_frames(lists, SCHEMA, ranked)
    return ServingReport(
        n_users=len(new.users),
        n_with_plays=int((draws.count > 0).sum()),
        n_common=int((row_at_partner >= 0).sum()),
        n_bytes=n_bytes,
    )


@contextmanager
def _partner_for(
    job: str, users: list[str], settings: dict[str, Any], conversation: Conversation, on_listening: Progress
) -> Iterator[tuple[Link, NDArray[np.int64]]]:
    """Take a partner in, and align users with it; gives the link, and the row of each user at the partner, -1: none."""
    with listen(conversation.address, patience_s=conversation.patience_s) as (link, address):
        on_listening(address)
        greet(link, {"job": job, "alignment": conversation.alignment, **settings})
        common = align(link, users, method=conversation.alignment, secret=conversation.secret, is_first=True)
        row_of = {user: row for row, user in enumerate(common)}
        yield link, np.array([row_of.get(user, -1) for user in users], np.int64)


def _stop(link: Link) -> None:
    """Tell the partner that it may finish, and wait until it has."""
    link.send("stop")
    link.receive("done")
