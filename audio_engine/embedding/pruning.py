"""Tracks whose file is missing: reported, or taken out, unless it looks as if a disk were not mounted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from audio_engine.embedding.plan import EmbedPlan

MANY = 20  # tracks: so many may go from one folder whatever their share, more than an album has as a rule


def check_prune(plan: EmbedPlan, missing: Sequence[Path]) -> None:
    """Refuse to take tracks out where their files may only be out of reach.

    Parameters
    ----------
    plan
        What was asked for.
    missing
        Paths whose tracks would be taken out.

    Raises
    ------
    ValueError
        When a folder that was asked for is empty; when more than `MANY` tracks would go from one in it that is empty
        (as where a disk is mounted, without the disk), or that are more than half of all.
    """
    doubts = [*_doubts(plan, missing)]
    if doubts:
        raise ValueError(f"nothing is pruned, since {', '.join(doubts)} (is a disk not mounted? if not: --force-prune)")


def _doubts(plan: EmbedPlan, missing: Sequence[Path]) -> Iterator[str]:
    """Say of which folders too much is missing."""
    roots = {root for root, _ in plan.n_known}
    for folder, n_gone in _empty_folders(missing).items():
        if folder in roots or n_gone > MANY:
            yield f"{folder} is empty and had {n_gone} tracks"
    for root, n_known in plan.n_known:
        n_gone = sum(root is None or path.is_relative_to(root) for path in missing)
        if n_gone > max(MANY, n_known / 2):
            yield f"{n_gone} of {n_known} tracks in {root or 'the catalogue'} are missing"


def _empty_folders(missing: Iterable[Path]) -> Counter[Path]:
    """Count the missing files of which nothing is left but an empty folder above them, by that folder."""

    @cache
    def standing(folder: Path) -> Path:
        return folder if folder.is_dir() or folder == folder.parent else standing(folder.parent)

    left = Counter(standing(path.parent) for path in missing)
    return Counter({folder: n_gone for folder, n_gone in left.items() if not any(folder.iterdir())})
