"""item2vec: word2vec over listening sessions, a track for a word, by gensim.

References
----------
O. Barkan, N. Koenigstein, Item2Vec: neural item embedding for collaborative filtering, MLSP 2016: skip-gram with
negative sampling over the items of a basket. H. Caselles-Dupré, F. Lesaint, J. Royo-Letelier, Word2vec applied to
recommendation: hyperparameters matter, RecSys 2018: window, epochs, subsampling and the power of the negatives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audio_engine.representations.sessions import Sessions

Floats = NDArray[np.float32]
LONGEST = 10_000  # tracks; gensim would leave out what follows in a session


@dataclass(frozen=True, kw_only=True)
class Item2VecRecipe:
    """How item2vec is trained; the defaults were chosen on simulated plays (docs/experiments/representations.md)."""

    dim: int = 40  # numbers in a vector
    window: int = 5  # plays between two tracks of a pair, at most
    min_plays: int = 5  # in sessions, below which a track gets no vector
    n_negatives: int = 5  # of each pair
    ns_exponent: float = 0.75  # of a track's plays, by which negatives are drawn; below 0: rare tracks more often
    subsample: float = 0.0  # share of all plays above which a track is passed over now and then; 0: never
    learning_rate: float = 0.025  # at first; it falls to 0.0001
    n_epochs: int = 10
    n_workers: int = 1  # threads; with more than one the same seed gives other vectors each time
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "window", "min_plays", "n_negatives", "n_epochs", "n_workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


class Sentences:
    """Sessions as gensim reads them: lists of the rows of tracks, as text; again from the first each time."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def __iter__(self) -> Iterator[list[str]]:
        for tracks, starts in self._sessions.blocks():
            words = [str(row) for row in tracks.tolist()]
            for first, last in pairwise(starts.tolist()):
                for start in range(first, last, LONGEST):
                    yield words[start : min(start + LONGEST, last)]


def train_item2vec(sessions: Sessions, *, recipe: Item2VecRecipe) -> Floats:
    """Train item2vec.

    Parameters
    ----------
    sessions
        Of tracks; memory holds a block of them, the vocabulary, and two vectors a track.
    recipe
        How.

    Returns
    -------
    vectors : (n_tracks, dim)
        Unit length; zeros for tracks with too few plays.

    Raises
    ------
    ModuleNotFoundError
        When gensim is not installed.
    ValueError
        When no track has `min_plays` plays.
    """
    from gensim.models import Word2Vec  # noqa: PLC0415  (an extra)

    model = Word2Vec(
        vector_size=recipe.dim,
        window=recipe.window,
        min_count=recipe.min_plays,
        sg=1,
        hs=0,
        negative=recipe.n_negatives,
        ns_exponent=recipe.ns_exponent,
        sample=recipe.subsample,
        alpha=recipe.learning_rate,
        epochs=recipe.n_epochs,
        workers=recipe.n_workers,
        seed=recipe.seed,
    )
    sentences = Sentences(sessions)
    model.build_vocab(sentences)
    if not len(model.wv):
        raise ValueError(f"plays must hold tracks with {recipe.min_plays} plays or more in sessions, got none")
    model.train(sentences, total_examples=model.corpus_count, epochs=model.epochs)
    vectors = np.zeros((sessions.n_tracks, recipe.dim), np.float32)
    rows = np.array([int(word) for word in model.wv.index_to_key])
    vectors[rows] = model.wv.get_normed_vectors()
    return vectors
