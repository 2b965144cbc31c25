"""How the vectors of sound are turned before they are mixed with those that users have for a track.

Both parts of a vector share all its directions. Where they agree they add up; where they do not, sound is turned to
directions along which users hardly differ, so that it disturbs their ranking as little as it may.
"""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
N_STEPS = 500


def turn_towards(
    sound: NDArray[np.floating], taste: NDArray[np.floating], users: NDArray[np.floating], *, agreement: float
) -> Doubles:
    """Find the rotation of sound vectors after which users rank tracks by them most nearly as by their taste.

    Parameters
    ----------
    sound, taste : (n_tracks, dim)
        Unit vectors of the same tracks.
    users : (n_users, dim)
        Vectors that are compared with `taste`.
    agreement
        Weight of what sound may add: 0 puts it where users do not see it, 1 where it says the same as taste.

    Returns
    -------
    rotation : (dim, dim)
        Orthogonal; ``sound @ rotation`` minimises the mean over users and tracks of
        ``(user . (sound @ rotation) - agreement * user . taste) ** 2``.

    References
    ----------
    H. A. L. Kiers, Majorization as a tool for optimizing a class of matrix functions, Psychometrika 1990: each step
    minimises a bound. P. H. Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika
    1966: the step.
    """
    seen = users.T.astype(np.float64) @ users / len(users)
    spread = sound.T.astype(np.float64) @ sound / len(sound)
    shared = agreement * sound.T.astype(np.float64) @ taste / len(sound)
    bound = np.linalg.eigvalsh(spread)[-1] * np.linalg.eigvalsh(seen)[-1]

    def misses(rotation: Doubles) -> float:
        return float(np.trace(spread @ rotation @ seen @ rotation.T) - 2 * np.trace(rotation.T @ shared @ seen))

    alike = _nearest_rotation(shared if agreement else spread)
    apart = np.linalg.eigh(spread)[1][:, ::-1] @ np.linalg.eigh(seen)[1].T  # sound's strongest to users' weakest
    found = [alike, apart]
    for _ in range(N_STEPS):
        found = [_nearest_rotation(each - (spread @ each @ seen - shared @ seen) / bound) for each in found]
    return min(found, key=misses)


def _nearest_rotation(matrix: Doubles) -> Doubles:
    """Find the orthogonal matrix nearest to another."""
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)
