"""Ingest of files and tables into the catalogue, followed by genre prediction and invalidation of the index."""

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.track import Track
from audio_engine.decoding.pool import DecoderPool, n_cores
from audio_engine.embedding.embedding import EmbedResult, embed_plan, report_missing, share_out
from audio_engine.embedding.models import Models
from audio_engine.embedding.plan import EmbedPlan, plan_failed, plan_files, plan_folders, plan_pending
from audio_engine.embedding.pruning import check_prune
from audio_engine.genre.genres import Genres
from audio_engine.search.index_cache import IndexCache


class Ingest:
    """Brings tracks into one catalogue."""

    def __init__(self, catalogue: Catalogue, models: Models, genres: Genres, index_cache: IndexCache) -> None:
        self._catalogue, self._models = catalogue, models
        self._genres, self._index_cache = genres, index_cache

    def plan(self, *folders: str | Path, force: bool = False) -> EmbedPlan:
        """Say what `embed` would do: with some folders, or, without any, with what waits for another model."""
        model_id = self._models.target_id
        if not folders:
            return plan_pending(self._catalogue, model_id=model_id)
        return plan_folders(self._catalogue, folders, model_id=model_id, force=force)

    def plan_files(self, files: Sequence[Path], *, gone: Collection[Path], roots: Iterable[Path]) -> EmbedPlan:
        """Say what `embed` would do with some files, and with what has gone; see `audio_engine.embedding.plan`."""
        return plan_files(self._catalogue, files, gone=gone, roots=roots, model_id=self._models.target_id)

    def plan_failed(self) -> EmbedPlan:
        """Say what `embed` would do with the files that failed before."""
        return plan_failed(self._catalogue)

    def embed(
        self,
        plan: EmbedPlan,
        *,
        n_workers: int | None = None,
        prune: bool = False,
        force_prune: bool = False,
        cpu_budget: float = 1.0,
    ) -> Generator[EmbedResult, None, None]:
        """Do what was planned; options, what is yielded and what is raised are those of `Engine.embed`."""
        self._catalogue.check_writable()
        if prune and not force_prune and not plan.new:  # else what is missing may have moved: it is asked afterwards
            check_prune(plan, plan.missing)
        return self._embed(plan, n_workers=n_workers, prune=prune, force_prune=force_prune, cpu_budget=cpu_budget)

    def _embed(
        self, plan: EmbedPlan, *, n_workers: int | None, prune: bool, force_prune: bool, cpu_budget: float
    ) -> Generator[EmbedResult, None, None]:
        """Embed, then see to what is missing."""
        n_workers, rest = share_out(n_workers or n_cores(), cpu_budget)
        with self._follow_up():
            if plan.to_embed:  # else torch and the model are not even loaded
                with DecoderPool(self._models.target_recipe(), n_workers=n_workers) as pool:
                    pool.start(len(plan.to_embed))  # before torch is imported: they load their decoders meanwhile
                    embedder = self._models.target()
                    yield from embed_plan(plan, catalogue=self._catalogue, embedder=embedder, pool=pool, rest=rest)
            yield from report_missing(plan, self._catalogue, prune=prune, force=force_prune)

    def import_parquet(self, *tables: str | Path) -> Generator[EmbedResult, None, None]:
        """Bring in vectors that were made elsewhere: by `embed --engine ray`, or exported by another catalogue.

        Parameters
        ----------
        tables
            Parquet files, or folders of them, by path or URI.

        Yields
        ------
        result
            One for each row that changed the catalogue, once it is committed.

        Raises
        ------
        FileNotFoundError
            When a table is not there, or is a folder without a Parquet file.
        ValueError
            When a table is damaged, lacks a column, has one of the wrong type, or holds vectors of another model;
            later, when a row does not say what it must, or its vector is not of unit length.
        """
        from audio_engine.cluster.import_tables import import_tables  # noqa: PLC0415  (loads Polars)

        with self._follow_up():
            names = [str(table) for table in tables]
            results = import_tables(names, catalogue=self._catalogue, model_id=self._models.target_id)
            self._models.keep_target()
            yield from results

    def remove(self, tracks: Sequence[Track]) -> list[Track]:
        """Take tracks out of the catalogue, not off the disk; returns them."""
        self._catalogue.remove([track.track_id for track in tracks])
        self._index_cache.forget()
        return list(tracks)

    @contextmanager
    def _follow_up(self) -> Iterator[None]:
        """After tracks came in see to the model's turn, and, however that ended, to genres and index."""
        try:
            yield
            self._catalogue.finish_model_change()
        finally:
            self._genres.fill()
            self._index_cache.forget()
