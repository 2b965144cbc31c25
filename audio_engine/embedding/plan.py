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
    unreadable: tuple[tuple[Path, str], ...] = ()  # folders that could not be listed, and the reason
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
    unreadable: dict[Path, str] = {}
    by_fate: dict[Fate, list[Path]] = defaultdict(list)
    found = set()
    files = find_audio_files(*roots, on_error=lambda path, error: unreadable.update({path: _words(error)}))
    known = catalogue.files.below(*roots)
    for path in files:
        found.add(path)
        by_fate[_fate(path, known.get(path), model_id=model_id, force=force)].append(path)
    gone = [path for path in known if path not in found and is_gone(path)]
    n_known = [(root, catalogue.files.n_below(root)) for root in roots]
    return _plan(by_fate, missing=gone, n_known=n_known, unreadable=tuple(unreadable.items()), force=force)


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
    by_fate: dict[Fate, list[Path]] = defaultdict(list)
    known = catalogue.files.at(files)
    for path in files:
        by_fate[_fate(path, known.get(path), model_id=model_id, force=False)].append(path)
    missing = [path for path in catalogue.files.below(*gone) if is_gone(path)]
    n_known = [(root, catalogue.files.n_below(root)) for root in roots if missing]
    return _plan(by_fate, missing=missing, n_known=n_known)


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
    return _plan({fate: [path for path in paths if path in there]}, missing=gone, n_known=[(None, len(paths))])


def _plan(
    by_fate: Mapping[Fate, list[Path]],
    *,
    missing: list[Path],
    n_known: Sequence[tuple[Path | None, int]],
    unreadable: tuple[tuple[Path, str], ...] = (),
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
        unreadable=unreadable,
        force=force,
    )


def _fate(path: Path, file: KnownFile | None, *, model_id: str, force: bool) -> Fate:
    """Classify one file by its size and time."""
    if file is None:
        return "new"
    try:
        status = path.stat()
    except OSError:
        return "changed"  # and reading it will show why
    if force or (status.st_size, stored_time_ns(status.st_mtime_ns)) != (file.file_size, file.mtime_ns):
        return "changed"
    if file.status == "failed":
        return "failed_before"
    return "unchanged" if model_id in file.model_ids else "outdated"


def _words(error: OSError) -> str:
    return error.strerror or str(error)
