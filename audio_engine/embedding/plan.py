"""Embedding plan: which files are new, changed, of another model, or gone.

Planning reads only directories and file sizes and times, so a run with nothing to do is quick.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.paths import absolute, is_gone
from audio_engine.catalogue.track import KnownFile, stored_time_ns
from audio_engine.decoding.file_scan import find_audio_files
from audio_engine.embedding.reading import reason_of

Fate = Literal["new", "changed", "outdated", "unchanged", "failed_before"]


@dataclass(frozen=True, kw_only=True)
class EmbedPlan:
    """The work of an embedding run."""

    new: tuple[Path, ...] = ()
    changed: tuple[Path, ...] = ()  # of another size or time, or forced
    outdated: tuple[Path, ...] = ()  # with vectors of other models only
    unchanged: tuple[Path, ...] = ()
    failed_before: tuple[Path, ...] = ()  # unchanged since they failed; `Engine.retry` tries them again
    missing: tuple[Path, ...] = ()  # in the catalogue below the given folders, but the file is gone
    n_known: tuple[tuple[Path | None, int], ...] = ()  # tracks that the catalogue has below each; None: in all
    unreadable: tuple[tuple[Path, str], ...] = ()  # folders that could not be listed, files of tracks kept; and why
    force: bool = False

    @property
    def to_embed(self) -> tuple[Path, ...]:
        """The files that will be read, in order."""
        return self.new + self.changed + self.outdated


def plan_folders(
    catalogue: Catalogue, folders: Iterable[str | Path], *, model_id: str, force: bool = False
) -> EmbedPlan:
    """Scan folders and plan what to do; of the catalogue only what lies in them is looked at.

    Parameters
    ----------
    catalogue
        Says which files are known.
    folders
        Folders or files.
    model_id
        The model to embed with.
    force
        Also embed unchanged files again.

    Raises
    ------
    FileNotFoundError
        When a folder does not exist.
    """
    roots = [absolute(folder) for folder in folders]
    unlisted: dict[Path, str] = {}
    scan = find_audio_files(*roots, on_error=lambda path, error: unlisted.update({path: reason_of(error, path)}))
    known = catalogue.files.below(*roots)
    found = list(scan)
    by_fate, kept = _classified(found, known, model_id=model_id, force=force)
    there = set(found)
    gone = [path for path in known if path not in there and is_gone(path)]
    n_known = [(root, catalogue.files.n_below(root)) for root in roots]
    return _plan(by_fate, missing=gone, n_known=n_known, unreadable=unlisted | kept, force=force)


def plan_files(
    catalogue: Catalogue,
    files: Sequence[Path],
    *,
    gone: Collection[Path],
    roots: Iterable[Path],
    model_id: str,
) -> EmbedPlan:
    """Plan, without scanning folders, for some files, and for files or folders that have gone.

    Parameters
    ----------
    catalogue, model_id
        As for `plan_folders`.
    files
        Files that are there.
    gone
        Where tracks were: those below are missing, as far as their files are gone.
    roots
        The folders that all of it lies in.
    """
    by_fate, kept = _classified(files, catalogue.files.at(files), model_id=model_id, force=False)
    missing = [path for path in catalogue.files.below(*gone) if is_gone(path)]
    n_known = [(root, catalogue.files.n_below(root)) for root in roots if missing]
    return _plan(by_fate, missing=missing, n_known=n_known, unreadable=kept)


def plan_pending(catalogue: Catalogue, *, model_id: str) -> EmbedPlan:
    """Plan, without scanning folders, the tracks of the catalogue that lack a vector of a model."""
    return _plan_again("outdated", catalogue.files.pending(model_id))


def plan_failed(catalogue: Catalogue) -> EmbedPlan:
    """Plan to retry all failed files."""
    return _plan_again("changed", [track.path for track in catalogue.tracks("failed")])


def _plan_again(fate: Fate, paths: list[Path]) -> EmbedPlan:
    """Plan to read paths of the catalogue again."""
    gone = [path for path in paths if is_gone(path)]
    there = set(paths) - set(gone)
    return _plan(
        {fate: [path for path in paths if path in there]}, missing=gone, n_known=[(None, len(paths))], unreadable={}
    )


def _plan(
    by_fate: Mapping[Fate, list[Path]],
    *,
    missing: list[Path],
    n_known: Sequence[tuple[Path | None, int]],
    unreadable: Mapping[Path, str],
    force: bool = False,
) -> EmbedPlan:
    return EmbedPlan(
        new=tuple(by_fate.get("new", ())),
        changed=tuple(by_fate.get("changed", ())),
        outdated=tuple(by_fate.get("outdated", ())),
        unchanged=tuple(by_fate.get("unchanged", ())),
        failed_before=tuple(by_fate.get("failed_before", ())),
        missing=tuple(missing),
        n_known=tuple(n_known),
        unreadable=tuple(unreadable.items()),
        force=force,
    )


def _classified(
    files: Iterable[Path], known: Mapping[Path, KnownFile], *, model_id: str, force: bool
) -> tuple[dict[Fate, list[Path]], dict[Path, str]]:
    """Classify files; those of embedded tracks that are there and cannot be looked at are listed apart, with why."""
    by_fate: dict[Fate, list[Path]] = defaultdict(list)
    kept = {}
    for path in files:
        try:
            by_fate[_fate(path, known.get(path), model_id=model_id, force=force)].append(path)
        except OSError as error:
            kept[path] = reason_of(error, path)
    return by_fate, kept


def _fate(path: Path, file: KnownFile | None, *, model_id: str, force: bool) -> Fate:
    """Classify one file by its size and time."""
    if file is None:
        return "new"
    try:
        status = path.stat()
    except OSError:
        if is_gone(path):
            return "changed"  # and reading it will show that
        if file.status == "embedded":
            raise  # what it links to, or its disk, may come back
        return "changed" if force else "failed_before"
    if force or (status.st_size, stored_time_ns(status.st_mtime_ns)) != (file.file_size, file.mtime_ns):
        return "changed"
    if file.status == "failed":
        return "failed_before"
    return "unchanged" if model_id in file.model_ids else "outdated"
