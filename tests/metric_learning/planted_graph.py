"""Two communities of tracks that are played together, each with its own sound, and tracks that nobody plays."""

from pathlib import Path

import numpy as np

from metric_learning.csr_graph import CsrGraph, build_graph
from metric_learning.side_information import MISSING, SideInformation

N_TRACKS, N_PLAYED = 40, 30  # even tracks are of one community, odd ones of the other; the last ten have no plays


def planted_graph(folder: Path) -> CsrGraph:
    """Each track is followed by tracks of its own community."""
    rng = np.random.default_rng(0)
    one = rng.integers(N_PLAYED, size=3_000)
    other = 2 * rng.integers(N_PLAYED // 2, size=3_000) + one % 2
    kept = one != other
    return build_graph(lambda: [(one[kept], other[kept]), (other[kept], one[kept])], N_TRACKS, folder)


def planted_side(*, audio: bool = True, categories: bool = True) -> SideInformation:
    """An artist for every four tracks (new ones for those without plays), and a sound that tells the communities."""
    rng = np.random.default_rng(1)
    community = np.arange(N_TRACKS) % 2
    artists = np.where(np.arange(N_TRACKS) < N_PLAYED, community, MISSING).astype(np.int32)[:, None]
    sound = np.stack([2.0 * community - 1, rng.normal(size=N_TRACKS), rng.normal(size=N_TRACKS)], axis=1)
    sound /= np.linalg.norm(sound, axis=1, keepdims=True)
    return SideInformation(
        codes=artists if categories else artists[:, :0],
        n_codes=2 if categories else 0,
        audio=sound.astype(np.float32) if audio else np.zeros((N_TRACKS, 0), np.float32),
    )


def margin(vectors: np.ndarray, rows: slice) -> float:
    """How much nearer some tracks are to played ones of their own community than to those of the other, as cosines."""
    near = vectors[rows] @ vectors[:N_PLAYED].T
    same = np.arange(N_TRACKS)[rows][:, None] % 2 == np.arange(N_PLAYED) % 2
    return float(near[same].mean() - near[~same].mean())


COLD = slice(N_PLAYED, N_TRACKS)
WARM = slice(0, N_PLAYED)
