"""Report of the genre benchmark: tables for people and rows for programs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from audio_engine.evaluation.genre.choices import Kind, Protocol, Unit
from audio_engine.evaluation.genre.classifiers import PCA_DIM, Floats
from audio_engine.evaluation.genre.scores import GenreScore
from audio_engine.evaluation.genre.vectors import Degradation
from audio_engine.evaluation.report import aligned
from audio_engine.metrics.bootstrap import Estimate

HEADLINE = Kind.LOGISTIC  # decided before any measurement: the field's usual linear probe


@dataclass(frozen=True, kw_only=True)
class Areas:
    """Macro averages over genres: mean and deviation over the official splits."""

    roc_auc: float
    roc_auc_deviation: float
    pr_auc: float
    pr_auc_deviation: float

    @classmethod
    def of(cls, roc: Floats, precision: Floats) -> Self:
        """Summarise the splits: (n_splits,) each."""
        return cls(
            roc_auc=float(roc.mean()),
            roc_auc_deviation=float(roc.std()),
            pr_auc=float(precision.mean()),
            pr_auc_deviation=float(precision.std()),
        )

    def __str__(self) -> str:
        return f"{self.roc_auc:.3f} ± {self.roc_auc_deviation:.3f} / {self.pr_auc:.3f} ± {self.pr_auc_deviation:.3f}"


@dataclass(frozen=True, kw_only=True)
class GenreResult:
    """One encoder at one size, by one classifier."""

    encoder: str
    dim: int  # numbers given to the classifier
    is_reduced: bool  # by PCA
    trained_on_tags: bool  # the encoder was trained on genres or tags
    classifier: Kind
    cpu_s: float  # per track, without decoding
    settings: tuple[dict[str, Any], ...]  # chosen by inner folds, one per outer fold
    accuracy: Estimate | None = None  # with one genre per track
    macro_f1: float | None = None
    by_genre: tuple[GenreScore, ...] = ()
    confusion: list[list[int]] = field(default_factory=list)  # a row per true genre
    areas: Areas | None = None  # with several genres per track
    degraded: dict[Degradation, float] = field(default_factory=dict)  # accuracy, or PR-AUC, on degraded test tracks

    @property
    def name(self) -> str:
        """The encoder and its reduction."""
        return f"{self.encoder}, PCA-{PCA_DIM}" if self.is_reduced else self.encoder


@dataclass(frozen=True, kw_only=True)
class GenreComparison:
    """Two encoders on the same test tracks."""

    first: str
    second: str
    classifier: Kind
    difference: Estimate  # in accuracy, first minus second; interval by resampling artists
    n_only_first: int  # tracks that only the first predicts correctly
    n_only_second: int
    p_mcnemar: float


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a title; the first row is its heading."""

    title: str
    rows: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class GenreReport:
    """The result of `evaluate_genre`."""

    dataset: str
    protocol: Protocol
    unit: Unit
    genres: tuple[str, ...]
    n_tracks: int
    n_tested: int  # of all folds together
    n_artists: int  # known
    most_frequent: float | None  # share of the most frequent genre: the best a constant prediction reaches
    failed: tuple[str, ...]  # files that could not be read, with the reason
    notes: tuple[str, ...]  # caveats that limit what the figures mean
    results: tuple[GenreResult, ...]
    comparisons: tuple[GenreComparison, ...]
    friedman: dict[Kind, float | None]  # over all encoders
    seed: int

    def rows(self) -> list[dict[str, Any]]:
        """List objects for JSON: one describing the data, one per result, one per comparison."""
        about = {name: value for name, value in vars(self).items() if name not in {"results", "comparisons"}}
        return [
            {"kind": "dataset", **about},
            *({"kind": "result", "name": result.name, **asdict(result)} for result in self.results),
            *({"kind": "comparison", **asdict(comparison)} for comparison in self.comparisons),
        ]

    def result(self, name: str, classifier: Kind = HEADLINE) -> GenreResult:
        """Look up one result.

        Raises
        ------
        LookupError
            When it was not measured.
        """
        for result in self.results:
            if (result.name, result.classifier) == (name, classifier):
                return result
        raise LookupError(f"encoder and classifier must have been measured, got {name!r} and {classifier!r}")

    def about(self) -> list[str]:
        """Describe in sentences what was measured, and its caveats."""
        lines = [
            f"{self.dataset}: {self.n_tracks} tracks of {self.n_artists} known artists, {len(self.genres)} genres "
            f"({', '.join(self.genres[:10])}{', …' if len(self.genres) > 10 else ''}); protocol {self.protocol}, "
            f"{self.n_tested} test tracks, one vector per {self.unit}, seed {self.seed}."
        ]
        if self.most_frequent is not None:
            lines.append(f"The most frequent genre has {self.most_frequent:.3f} of the test tracks.")
        lines += [f"**{note}**" for note in self.notes]
        if self.failed:
            lines.append(f"{len(self.failed)} files could not be read and are left out, the first: {self.failed[0]}")
        return lines

    def tables(self) -> list[Table]:
        """Return the tables of the report."""
        kinds = list(dict.fromkeys(result.classifier for result in self.results))
        tables = [Table(title=self._title(), rows=list(self._figures(kinds)))]
        headline = HEADLINE if HEADLINE in kinds else kinds[0]
        if self.results[0].degraded:
            what = "PR-AUC" if self.most_frequent is None else "Accuracy"
            tables.append(
                Table(title=f"{what} on degraded test tracks ({headline})", rows=list(self._degraded(headline)))
            )
        if self.comparisons:
            title = f"{self.comparisons[0].first} minus the others, on the same tracks ({headline})"
            tables.append(Table(title=title, rows=list(self._compared(headline))))
        if self.results[0].by_genre:
            best = next(result for result in self.results if result.classifier == headline)
            tables.append(Table(title=f"By genre: {best.name} ({headline})", rows=list(_by_genre(best))))
        return tables

    def to_markdown(self) -> str:
        """Format the report as Markdown."""
        lines = [*self.about(), ""]
        for table in self.tables():
            lines += [f"{table.title}:", "", *aligned(table.rows), ""]
        return "\n".join([*lines, *self._small_print()])

    def _title(self) -> str:
        return "ROC-AUC / PR-AUC, macro" if self.most_frequent is None else "Accuracy, and macro-F1"

    def _figures(self, kinds: list[Kind]) -> Iterator[list[str]]:
        """Yield a row per encoder, with a column per classifier."""
        yield ["encoder", "dim", "CPU s per track", *kinds]
        for name in dict.fromkeys(result.name for result in self.results):
            of_name = [self.result(name, kind) for kind in kinds]
            mark = " (trained on tags)" if of_name[0].trained_on_tags else ""
            yield [name + mark, str(of_name[0].dim), f"{of_name[0].cpu_s:.3f}", *map(_figure, of_name)]

    def _degraded(self, kind: Kind) -> Iterator[list[str]]:
        """Yield a row per encoder, with a column per degradation."""
        yield ["encoder", Degradation.CLEAN, *self.results[0].degraded]
        for result in self.results:
            if result.classifier == kind:
                clean = result.accuracy.value if result.accuracy else result.areas.pr_auc if result.areas else np.nan
                yield [result.name, *(f"{value:.3f}" for value in (clean, *result.degraded.values()))]

    def _compared(self, kind: Kind) -> Iterator[list[str]]:
        """Yield a row per pair of encoders."""
        yield ["against", "difference", "only the first correct", "only the other correct", "McNemar's p"]
        for each in self.comparisons:
            if each.classifier == kind:
                counts = [str(each.n_only_first), str(each.n_only_second)]
                yield [each.second, str(each.difference), *counts, f"{each.p_mcnemar:.3f}"]

    def _small_print(self) -> Iterator[str]:
        """Yield notes on how to read the tables."""
        if self.most_frequent is not None:
            yield "Brackets: 95 % bootstrap intervals, artists resampled; classifiers are not trained again."
        tests = [f"{kind} {value:.3g}" for kind, value in self.friedman.items() if value is not None]
        if tests:
            yield f"Friedman's p over all encoders: {', '.join(tests)}."


def _figure(result: GenreResult) -> str:
    """Format one cell."""
    return str(result.areas) if result.accuracy is None else f"{result.accuracy} F1 {result.macro_f1:.3f}"


def _by_genre(result: GenreResult) -> Iterator[list[str]]:
    """Yield a row per genre."""
    yield ["genre", "tracks", "precision", "recall", "F1"]
    for score in result.by_genre:
        yield [score.genre, str(score.n), f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}"]
