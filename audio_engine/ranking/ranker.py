"""The ranker: predicts the probability that a user likes a track, trained on a play log.

It is trained once and then `updated` with new plays, tracks and users: the weights stay, counts and vectors change. An
unknown user or track is ranked by what is known: the audio, the artist, the user.
"""

import errno
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from audio_engine.atomic_files import whole_folder
from audio_engine.plays.table_files import read_parquet
from audio_engine.ranking.config import RankerConfig
from audio_engine.ranking.counts import KEYS, Counts, add_counts, count, counts_before, look_up
from audio_engine.ranking.features import FeatureRecipe, fit_recipe, make_fields, name_artists, place_rows
from audio_engine.ranking.networks import DeepCross, DeepFM, Fields, make_network
from audio_engine.ranking.tables import Known, day_of, keyed, read_known, read_log
from audio_engine.ranking.training import train_network
from metric_learning.model_files import RecipeMismatchError

FORMAT_VERSION = 1  # raise it whenever the same files would give different probabilities
BATCH_ROWS = 100_000  # rows turned into features at a time
NETWORK_ROWS = 4_096  # of them, passed through the network at a time: fits a processor's cache
WEIGHTS_FILE, RECIPE_FILE, NAMES_FILE = "ranker.safetensors", "ranker.json", "names.parquet"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Ranker:
    """A trained ranker with its tracks, users and counts.

    Created by `train` or `load`; frozen: `updated` returns another one.
    """

    network: DeepFM | DeepCross
    recipe: FeatureRecipe
    config: RankerConfig
    known: Known
    counts: Counts
    day: float  # the last day in its plays

    @classmethod
    def train(
        cls,
        plays: pl.DataFrame,
        *,
        tracks: pl.DataFrame,
        users: pl.DataFrame | None = None,
        user_vectors: pl.DataFrame | None = None,
        config: RankerConfig | None = None,
    ) -> "Ranker":
        """Train a ranker on a play log.

        Likes are learned against dislikes and skips; a play without an action (``none``) is neither, and only counted.
        Each example is described by the counts before its day, and by the user's latest vector before it.

        Parameters
        ----------
        plays
            ``user, track, day, action``.
        tracks
            ``track``, and optionally ``artist``, ``release_day``, ``vector``.
        users
            ``user``; any further column is a category.
        user_vectors
            ``user, vector``, and ``day``: the vector is used from that day on, and must be computed from earlier plays
            only. `audio_engine.ranking.user_vectors` computes such a table.
        config
            How.

        Returns
        -------
        ranker

        Raises
        ------
        ValueError
            When a table lacks a column, nothing was liked or nothing rejected, or vectors of tracks and users
            differ in length.
        """
        config, log = config or RankerConfig(), read_log(plays)
        known = read_known(tracks, users, user_vectors)
        audio = config.audio and known.track_vectors.shape[1] > 0
        if audio and known.track_vectors.shape[1] != known.user_vectors.shape[1]:
            raise ValueError(
                "vector of user_vectors must be of the length of the tracks' vectors, "
                f"{known.track_vectors.shape[1]}, got {known.user_vectors.shape[1]} (audio=False needs no vectors)"
            )
        examples = learning_rows(log, known)
        liked = examples["liked"].to_numpy()
        if liked.all() or not liked.any():
            raise ValueError(f"plays must hold likes and rejections, got {liked.sum()} likes of {len(liked)} opinions")
        recipe = fit_recipe(examples, known, audio=audio)
        torch.manual_seed(config.seed)
        network = make_network(recipe.sizes, config)
        unplayed = torch.from_numpy(recipe.unplayed_numbers())
        train_network(network, make_fields(examples, known, recipe), liked, unplayed=unplayed, config=config)
        day = float(log["day"].max())  # type: ignore[arg-type]
        return cls(
            network=network, recipe=recipe, config=config, known=known, counts=count(name_artists(log, known)), day=day
        )

    @torch.inference_mode()
    def predict(self, table: pl.DataFrame) -> NDArray[np.float32]:
        """Predict how likely each user is to like each track, given all plays so far.

        Parameters
        ----------
        table
            ``user, track``, and ``day`` unless it is the last; users and tracks may be unknown.

        Returns
        -------
        probability : (n_rows,)

        Raises
        ------
        ValueError
            When a column is missing, or has nulls.
        """
        rows = keyed(table, ("user", "track"), name="table", key=None)
        parts = [np.zeros(0, np.float32)]
        for part in rows.iter_slices(BATCH_ROWS):
            fields = self.describe(part)
            for start in range(0, len(fields), NETWORK_ROWS):
                parts.append(self.network(fields.rows(slice(start, start + NETWORK_ROWS))).sigmoid().numpy())
        return np.concatenate(parts)

    def describe(self, table: pl.DataFrame) -> Fields:
        """Build the fields of rows of ``user, track`` and optionally ``day``, as `predict` does."""
        rows = table.select("user", "track", day_of(table, unknown=self.day))
        return make_fields(look_up(place_rows(rows, self.known), self.counts), self.known, self.recipe)

    def updated(
        self,
        *,
        plays: pl.DataFrame | None = None,
        tracks: pl.DataFrame | None = None,
        user_vectors: pl.DataFrame | None = None,
    ) -> "Ranker":
        """Update counts and vectors; the weights stay as they are.

        Parameters
        ----------
        plays
            Further plays to count; none that it has counted already.
        tracks
            New tracks, or known ones with new vectors.
        user_vectors
            Newer vectors of users, from ``day`` on; from the last day of the plays if the table has no such column.

        Returns
        -------
        ranker
        """
        known, counts, day = self.known, self.counts, self.day
        frames = _frames(known)
        if tracks is not None:
            known = read_known(_renew(frames["tracks"], tracks, ("track",)), known.users, frames["user_vectors"])
        if plays is not None and len(plays):
            log = read_log(plays)
            counts = add_counts(counts, count(name_artists(log, known)))
            day = max(day, float(log["day"].max()))  # type: ignore[arg-type]
        if user_vectors is not None:
            dated = user_vectors if "day" in user_vectors.columns else user_vectors.with_columns(day=pl.lit(day))
            renewed = _renew(frames["user_vectors"], dated, ("user", "day"))
            known = read_known(_frames(known)["tracks"], known.users, renewed)
        for name, vectors in (("tracks", known.track_vectors), ("user_vectors", known.user_vectors)):
            if self.recipe.vector_dim and vectors.shape[1] != self.recipe.vector_dim:
                raise ValueError(f"vector of {name} must be of length {self.recipe.vector_dim}, got {vectors.shape[1]}")
        return Ranker(network=self.network, recipe=self.recipe, config=self.config, known=known, counts=counts, day=day)

    def save(self, directory: Path, *, names: pl.DataFrame | None = None) -> None:
        """Write weights, recipe, tables and counts atomically; an existing ranker is replaced.

        Parameters
        ----------
        directory
            Of the ranker.
        names
            What else its tracks are called, to be kept with it: see `audio_engine.ranking.track_tables`.

        Raises
        ------
        FileExistsError
            When the folder holds something else.
        """
        if directory.exists() and any(directory.iterdir()) and not (directory / RECIPE_FILE).exists():
            raise FileExistsError(errno.EEXIST, "It holds other files than a ranker's", str(directory))
        with whole_folder(directory) as temporary:
            self._write(temporary)
            if names is not None:
                names.write_parquet(temporary / NAMES_FILE)

    def _write(self, directory: Path) -> None:
        """Write the files of a ranker into a folder."""
        weights = {name: tensor.detach().contiguous() for name, tensor in self.network.state_dict().items()}
        save_file(weights, directory / WEIGHTS_FILE)
        for name, frame in {**_frames(self.known), **_count_frames(self.counts)}.items():
            frame.write_parquet(directory / f"{name}.parquet")
        numbers = {"format_version": FORMAT_VERSION, "config": asdict(self.config), "recipe": asdict(self.recipe)}
        (directory / RECIPE_FILE).write_text(json.dumps({**numbers, "day": self.day}) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> "Ranker":
        """Read a ranker.

        Raises
        ------
        FileNotFoundError
            When the folder is not a ranker.
        RecipeMismatchError
            When its files are damaged, of another format, or from different trainings.
        """
        if not (directory / RECIPE_FILE).exists():
            raise FileNotFoundError(f"a ranker must be a folder with {RECIPE_FILE}, got {str(directory)!r}")
        try:
            numbers = json.loads((directory / RECIPE_FILE).read_text(encoding="utf-8"))
            if numbers["format_version"] != FORMAT_VERSION:
                raise ValueError(f"its format_version must be {FORMAT_VERSION}, got {numbers['format_version']}")
            config, recipe = RankerConfig(**numbers["config"]), FeatureRecipe(**numbers["recipe"])
            network = make_network(recipe.sizes, config)
            network.load_state_dict(load_file(directory / WEIGHTS_FILE))
            frames = {path.stem: read_parquet(path) for path in sorted(directory.glob("*.parquet"))}
            known = read_known(frames["tracks"], frames["users"], frames["user_vectors"])
            counts = {key: frames[f"counts_{key}"] for key in KEYS}
        except (
            OSError,
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
            SafetensorError,
            pl.exceptions.PolarsError,
        ) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise RecipeMismatchError(
                f"the ranker in {directory} must be whole and from one training: {reason}"
            ) from error
        return cls(network=network.eval(), recipe=recipe, config=config, known=known, counts=counts, day=numbers["day"])


def learning_rows(log: pl.DataFrame, known: Known) -> pl.DataFrame:
    """Build the examples of a log: its likes and rejections, each with the features known before it.

    Parameters
    ----------
    log
        From `read_log`.
    known
        Tracks and users.

    Returns
    -------
    examples
        Rows for `make_fields`, with ``liked``.
    """
    rows = counts_before(place_rows(log, known))
    return rows.filter(pl.col("action") != "none").with_columns(liked=pl.col("action") == "like")


def _frames(known: Known) -> dict[str, pl.DataFrame]:
    """Return tracks and users as the tables they came from."""
    return {
        "tracks": _with_vectors(known.tracks, known.track_vectors),
        "users": known.users,
        "user_vectors": _with_vectors(known.user_days, known.user_vectors),
    }


def _count_frames(counts: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Key the counts by their file names."""
    return {f"counts_{key}": frame for key, frame in counts.items()}


def _with_vectors(table: pl.DataFrame, vectors: NDArray[np.float32]) -> pl.DataFrame:
    """Add vectors to a table; null if all are zeros."""
    if not vectors.shape[1]:
        return table
    column = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])).cast(pl.List(pl.Float32))
    there = pl.Series("there", vectors.any(1))
    return table.with_columns(column).with_columns(vector=pl.when(there).then("vector"))


def _renew(old: pl.DataFrame, new: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """Add rows, replacing those with the same key."""
    new = new.select(name for name in new.columns if name in {*old.columns, "vector"}).cast(
        {name: old.schema[name] for name in key}
    )
    return pl.concat([old.join(new, on=key, how="anti", maintain_order="left"), new], how="diagonal_relaxed")
