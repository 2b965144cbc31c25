"""Semantic vectors: what is said of a track (artist, label, genre, tags, title, year), by TF-IDF and a truncated SVD.

References
----------
S. Deerwester et al., Indexing by latent semantic analysis, JASIS 1990. G. Salton, C. Buckley, Term-weighting approaches
in automatic text retrieval, 1988: TF-IDF, as scikit-learn computes it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.representations.categories import category_values

Floats = NDArray[np.float32]
TITLE, TAGS = "title", "tags"
WORD = re.compile(r"\w+")
TAG_SEPARATOR = re.compile(r"\s*[;,|]\s*")


@dataclass(frozen=True, kw_only=True)
class SemanticRecipe:
    """How semantic vectors are made."""

    dim: int = 40  # numbers in a vector
    min_tracks: int = 2  # that must share a term for it to count
    seed: int = 0  # of the decomposition

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"dim must be at least 1, got {self.dim}")


def semantic_vectors(table: pl.DataFrame, categories: Sequence[str], *, recipe: SemanticRecipe) -> Floats:
    """Describe tracks by the terms that stand in a table.

    Parameters
    ----------
    table
        Of tracks; ``title`` and ``tags`` (text with ``;`` or ``,`` between them, or lists) are read.
    categories
        Columns whose values are terms as they are.
    recipe
        How.

    Returns
    -------
    vectors : (n_tracks, dim)
        Unit length; zeros for a track that shares no term with any other.

    Raises
    ------
    ValueError
        When no two tracks share a term.
    """
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415  (takes a second to load)
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    vectoriser = TfidfVectorizer(analyzer=list, min_df=recipe.min_tracks)
    try:
        terms = vectoriser.fit_transform(_terms(table, categories))
    except ValueError as error:
        raise ValueError(
            f"tracks must share terms to be described by, got none that {recipe.min_tracks} tracks have, in columns "
            f"{', '.join([*categories, TITLE, TAGS])}"
        ) from error
    vectors = np.zeros((len(table), recipe.dim), np.float32)
    n_components = min(recipe.dim, terms.shape[1])
    if n_components < terms.shape[1]:
        found = TruncatedSVD(n_components, random_state=recipe.seed).fit_transform(terms)
    else:
        found = terms.toarray()
    vectors[:, :n_components] = found
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, vectors / np.maximum(lengths, 1e-6), 0.0).astype(np.float32)


def _terms(table: pl.DataFrame, categories: Sequence[str]) -> Iterator[list[str]]:
    """List the terms of each track."""
    columns = [category_values(table, name).to_list() for name in categories]
    titles = table[TITLE].cast(pl.String).to_list() if TITLE in table.columns else [None] * len(table)
    tags = table[TAGS].to_list() if TAGS in table.columns else [None] * len(table)
    for row in range(len(table)):
        named = [
            f"{name}={column[row]}" for name, column in zip(categories, columns, strict=True) if column[row] is not None
        ]
        words = [f"word={word}" for word in WORD.findall((titles[row] or "").casefold())]
        yield [*named, *words, *(f"tag={tag}" for tag in _tags(tags[row]))]


def _tags(cell: str | Sequence[str] | None) -> list[str]:
    """Split the tags of a track."""
    if cell is None:
        return []
    parts = TAG_SEPARATOR.split(cell) if isinstance(cell, str) else cell
    return [part.strip().casefold() for part in parts if part and part.strip()]
