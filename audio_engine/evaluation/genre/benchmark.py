"""The genre benchmark: how well frozen vectors of each encoder separate genres, on clean and degraded audio."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from audio_engine.evaluation.genre import scores
from audio_engine.evaluation.genre.choices import Kind, Protocol, Unit
from audio_engine.evaluation.genre.classifiers import PCA_DIM, Examples, Floats, Trained, train
from audio_engine.evaluation.genre.dataset import GenreDataset
from audio_engine.evaluation.genre.encoders import GenreEncoder
from audio_engine.evaluation.genre.protocols import Fold, artist_groups, split, warnings_of
from audio_engine.evaluation.genre.report import Areas, GenreComparison, GenreReport, GenreResult
from audio_engine.evaluation.genre.vectors import Degradation, Described, TrackVectors, describe_tracks
from audio_engine.metrics.bootstrap import bootstrap_mean

logger = logging.getLogger(__name__)

Answers = dict[Degradation, list[Floats]]  # of each fold: (n_test_tracks, n_genres)
Correctness = Floats  # 1 for each correctly predicted test track, 0 for others; or the average precision of each genre


@dataclass(frozen=True, kw_only=True)
class _Task:
    """The labels and splits shared by every encoder and classifier."""

    dataset: GenreDataset
    folds: list[Fold]
    labels: NDArray[np.int64]  # (n_tracks,), or (n_tracks, n_genres) of 0 and 1
    groups: NDArray[np.int64]  # (n_tracks,) that inner folds keep together
    seed: int

    @property
    def tested(self) -> NDArray[np.int64]:
        """Rows of the test tracks, fold by fold."""
        return np.concatenate([fold.test for fold in self.folds])

    @property
    def artists(self) -> NDArray[np.int64]:
        """Artist numbers of the test tracks, which the bootstrap keeps together under every protocol."""
        groups = artist_groups(self.dataset, Protocol.ARTIST_FILTERED)[self.tested]
        numbers: NDArray[np.int64] = np.unique(groups, return_inverse=True)[1]
        return numbers


def evaluate_genre(  # noqa: PLR0913  (the options of one command)
    dataset: GenreDataset,
    encoders: Sequence[GenreEncoder],
    *,
    protocol: Protocol,
    unit: Unit,
    cache_dir: Path,
    kinds: Sequence[Kind] = tuple(Kind),
    degradations: Sequence[Degradation] = tuple(Degradation),
    seed: int = 0,
) -> GenreReport:
    """Measure how well frozen vectors separate genres.

    Each encoder is measured as it is and, if its vectors are longer, reduced to 40 numbers by a PCA of the training
    tracks. The first encoder is compared with every other.

    Parameters
    ----------
    dataset
        From `readers` or `official`.
    encoders
        From `encoders.load_encoders`.
    protocol
        How tracks are split.
    unit
        Whether predictions are averaged over 3-s segments, or made from one vector per track.
    cache_dir
        Cache of vectors between runs.
    kinds
        The classifiers.
    degradations
        Degradations of test tracks, including `Degradation.CLEAN`; training uses clean tracks only.
    seed
        Seed of folds, resamples and initial weights.

    Raises
    ------
    ValueError
        When the dataset cannot be split by the protocol.
    """
    split(dataset, protocol, seed=seed)  # fail before hours of decoding if the dataset cannot be split
    kept, tracks, failed = _described(dataset, encoders, degradations=degradations, unit=unit, cache_dir=cache_dir)
    task = _task(kept, protocol, seed)
    results: list[GenreResult] = []
    correct: dict[tuple[str, Kind], Correctness] = {}
    for encoder in encoders:
        for result, correctness in _evaluate(encoder, [track[encoder.name] for track in tracks], task, kinds):
            results.append(result)
            correct[result.name, result.classifier] = correctness
            logger.info("%s", result)
    return GenreReport(
        dataset=dataset.name,
        protocol=protocol,
        unit=unit,
        genres=kept.genres,
        n_tracks=len(tracks),
        n_tested=len(task.tested),
        n_artists=len({track.artist for track in kept.tracks} - {None}),
        most_frequent=None if dataset.is_multilabel else _most_frequent(task),
        failed=failed,
        notes=(*dataset.notes, *warnings_of(kept, protocol, task.folds)),
        results=tuple(results),
        comparisons=() if dataset.is_multilabel else tuple(_compare(correct, task)),
        friedman={kind: scores.friedman([each for (_, of), each in correct.items() if of == kind]) for kind in kinds},
        seed=seed,
    )


def _described(
    dataset: GenreDataset,
    encoders: Sequence[GenreEncoder],
    *,
    degradations: Sequence[Degradation],
    unit: Unit,
    cache_dir: Path,
) -> tuple[GenreDataset, list[Described], tuple[str, ...]]:
    """Describe the readable tracks; returns them, their vectors, and the unreadable files with the reason."""
    files = [track.path for track in dataset.tracks]
    found = list(
        zip(
            dataset.tracks,
            describe_tracks(files, encoders, degradations=degradations, unit=unit, cache_dir=cache_dir),
            strict=True,
        )
    )
    kept = tuple(track for track, each in found if not isinstance(each, Exception))
    failed = tuple(f"{track.path}: {each}" for track, each in found if isinstance(each, Exception))
    return replace(dataset, tracks=kept), [each for _, each in found if not isinstance(each, Exception)], failed


def _task(dataset: GenreDataset, protocol: Protocol, seed: int) -> _Task:
    """Split, and number the genres."""
    numbers = {genre: number for number, genre in enumerate(dataset.genres)}
    if dataset.is_multilabel:
        labels = np.zeros((len(dataset.tracks), len(numbers)), np.int64)
        for row, track in enumerate(dataset.tracks):
            labels[row, [numbers[genre] for genre in track.genres]] = 1
    else:
        labels = np.array([numbers[track.genres[0]] for track in dataset.tracks])
    return _Task(
        dataset=dataset,
        folds=split(dataset, protocol, seed=seed),
        labels=labels,
        groups=artist_groups(dataset, protocol),
        seed=seed,
    )


def _evaluate(
    encoder: GenreEncoder, tracks: Sequence[TrackVectors], task: _Task, kinds: Sequence[Kind]
) -> Iterator[tuple[GenreResult, Correctness]]:
    """Measure one encoder, by each classifier, at its own size and at 40 numbers."""
    dim = tracks[0].vectors[Degradation.CLEAN].shape[1]
    for reduce in (False, True)[: 1 + (dim > PCA_DIM)]:
        for kind in kinds:
            answers, trained = _answers(tracks, task, kind, reduce=reduce)
            result = GenreResult(
                encoder=encoder.name,
                dim=min(each.dim for each in trained),
                is_reduced=reduce,
                trained_on_tags=encoder.trained_on_tags,
                classifier=kind,
                cpu_s=float(np.mean([track.cpu_s for track in tracks])),
                settings=tuple(each.settings for each in trained),
            )
            yield _multilabel(result, answers, task) if task.dataset.is_multilabel else _single(result, answers, task)


def _answers(tracks: Sequence[TrackVectors], task: _Task, kind: Kind, *, reduce: bool) -> tuple[Answers, list[Trained]]:
    """Train in each fold, and predict its test tracks under every degradation."""
    examples = Examples(
        vectors=[track.vectors[Degradation.CLEAN] for track in tracks],
        labels=task.labels,
        groups=task.groups,
        n_genres=len(task.dataset.genres),
    )
    answers: Answers = {degradation: [] for degradation in tracks[0].vectors}
    trained = []
    for fold in task.folds:
        trained.append(train(kind, examples, fold, reduce=reduce, seed=task.seed))
        for degradation, of_folds in answers.items():
            of_folds.append(trained[-1].probabilities([tracks[row].vectors[degradation] for row in fold.test]))
    return answers, trained


def _single(result: GenreResult, answers: Answers, task: _Task) -> tuple[GenreResult, Correctness]:
    """Score datasets with one genre per track, on the test tracks of all folds together."""
    truth, genres = task.labels[task.tested], task.dataset.genres
    chosen = {degradation: np.concatenate(of_folds).argmax(axis=1) for degradation, of_folds in answers.items()}
    clean = chosen[Degradation.CLEAN]
    by_genre = scores.per_genre(truth, clean, genres)
    scored = replace(
        result,
        accuracy=bootstrap_mean(clean == truth, groups=task.artists, seed=task.seed),
        macro_f1=float(np.mean([score.f1 for score in by_genre])),
        by_genre=tuple(by_genre),
        confusion=confusion_matrix(truth, clean, labels=range(len(genres))).tolist(),
        degraded={
            degradation: float(np.mean(each == truth))
            for degradation, each in chosen.items()
            if degradation is not Degradation.CLEAN
        },
    )
    return scored, (clean == truth).astype(np.float64)


def _multilabel(result: GenreResult, answers: Answers, task: _Task) -> tuple[GenreResult, Correctness]:
    """Score datasets with several genres per track, each split separately."""
    areas = {
        degradation: [
            scores.areas(task.labels[fold.test], each) for fold, each in zip(task.folds, of_folds, strict=True)
        ]
        for degradation, of_folds in answers.items()
    }
    roc = np.array([of_genres for of_genres, _ in areas[Degradation.CLEAN]])
    precision = np.array([of_genres for _, of_genres in areas[Degradation.CLEAN]])
    scored = replace(
        result,
        areas=Areas.of(np.nanmean(roc, axis=1), np.nanmean(precision, axis=1)),
        degraded={
            degradation: float(np.mean([np.nanmean(each) for _, each in of_folds]))
            for degradation, of_folds in areas.items()
            if degradation is not Degradation.CLEAN
        },
    )
    in_all = ~np.isnan(precision).any(axis=0)
    return scored, precision[:, in_all].mean(axis=0)


def _most_frequent(task: _Task) -> float:
    """Share of the most frequent genre among the test tracks: no constant prediction is right more often."""
    return float(np.bincount(task.labels[task.tested]).max() / len(task.tested))


def _compare(correct: dict[tuple[str, Kind], Correctness], task: _Task) -> Iterator[GenreComparison]:
    """Compare the first encoder with every other, by each classifier."""
    first = next(name for name, _ in correct)
    for (second, kind), of_second in correct.items():
        if second == first:
            continue
        first_correct, second_correct = (each.astype(np.bool_) for each in (correct[first, kind], of_second))
        gained = correct[first, kind] - of_second
        yield GenreComparison(
            first=first,
            second=second,
            classifier=kind,
            difference=bootstrap_mean(gained, groups=task.artists, seed=task.seed),
            n_only_first=int((first_correct & ~second_correct).sum()),
            n_only_second=int((second_correct & ~first_correct).sum()),
            p_mcnemar=scores.mcnemar(first_correct, second_correct),
        )
