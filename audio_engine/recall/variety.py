"""Choice of tracks that differ from each other, in sound, artist and genre: for one user, and for each of many."""

from collections.abc import Sequence

from audio_engine.catalogue.track import Track
from audio_engine.search.diversity import Floats, Likeness
from audio_engine.search.steering import PLAIN, Steering, arrange


def pool_size(k: int) -> int:
    """Give how many candidates are looked at for k places."""
    return PLAIN.n_candidates(k)


def choose_varied(  # noqa: PLR0913  (the candidates, and what bounds the choice)
    tracks: Sequence[Track],
    vectors: Floats,
    relevance: Floats,
    *,
    k: int,
    diversity: float,
    max_per_artist: int | None,
) -> list[int]:
    """Choose at most k tracks by maximal marginal relevance.

    Parameters
    ----------
    tracks : (n,)
        The candidates.
    vectors : (n, dim)
        Theirs, unit length.
    relevance : (n,)
        More is better; on the scale of cosines.
    k
        Places at most.
    diversity
        From 0 to 1: how much a track is to differ from those before it.
    max_per_artist
        Places of one artist at most.

    Returns
    -------
    rows
        Of the candidates, in the order of the answer.
    """
    row_of = Likeness.of_tracks(tracks, vectors).row
    steering = Steering(diverse=diversity)
    rows, _ = arrange(tracks, vectors, relevance, k=k, steering=steering, max_per_artist=max_per_artist, row_of=row_of)
    return rows
