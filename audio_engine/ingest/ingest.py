"""Files or tables in, a fuller catalogue out: plan, embed and import, and what is to be put right after each."""

from collections.abc import Generator, Sequence
from pathlib import Path

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.cluster.import_tables import import_tables
from audio_engine.decoding.pool import DecoderPool, n_cores
from audio_engine.embedding.embedding import EmbedResult, embed_plan, report_missing, share_out
from audio_engine.embedding.models import Models
from audio_engine.embedding.plan import EmbedPlan, plan_failed, plan_folders, plan_known
from audio_engine.genre.genres import Genres
from audio_engine.search.index_cache import IndexCache


class Ingest:
    """Ways into one catalogue; what they do is said at the methods of `Engine` that have the same names."""

    def __init__(self, catalogue: Catalogue, models: Models, genres: Genres, index: IndexCache) -> None:
        self._catalogue, self._models = catalogue, models
        self._genres, self._index = genres, index

    def plan(self, folders: Sequence[str | Path], *, force: bool) -> EmbedPlan:
        """Say what is to be embedded: of some folders, or, without any, of what waits for another model."""
        known, model_id = self._catalogue.known_files(), self._models.target_id
        if not folders:
            return plan_known(known, model_id=model_id)
        return plan_folders(known, folders, model_id=model_id, force=force)

    def plan_failed(self) -> EmbedPlan:
        """Say what failed and is to be tried again."""
        return plan_failed(self._catalogue.known_files())

    def embed_plan(
        self, plan: EmbedPlan, *, n_workers: int | None, prune: bool, cpu_budget: float
    ) -> Generator[EmbedResult, None, None]:
        """Embed; then the genres, the model's turn and the index are seen to, however it ends."""
        n_workers, rest = share_out(n_workers or n_cores(), cpu_budget)
        try:
            if plan.to_embed:  # else torch and the model are not even loaded
                embedder = self._models.wanted()
                pool = DecoderPool(embedder.recipe, n_workers=n_workers)
                yield from embed_plan(plan, catalogue=self._catalogue, embedder=embedder, pool=pool, rest=rest)
            yield from report_missing(plan, self._catalogue, prune=prune)
            self._catalogue.finish_model_change()
        finally:
            self._genres.fill()
            self._index.forget()

    def import_parquet(self, tables: Sequence[str | Path]) -> Generator[EmbedResult, None, None]:
        """Bring in vectors that were made elsewhere."""
        try:
            names = [str(table) for table in tables]
            results = import_tables(names, catalogue=self._catalogue, model_id=self._models.target_id)
            self._models.keep_target()
            yield from results
            self._catalogue.finish_model_change()
        finally:
            self._genres.fill()
            self._index.forget()
