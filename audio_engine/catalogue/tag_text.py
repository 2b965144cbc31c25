"""Tag text, normalised for comparison."""

import re
import unicodedata
from functools import lru_cache

from audio_engine.catalogue.tags import SEPARATOR

NAMES_KEPT = 1 << 15  # cached normal forms: one result needs dozens


@lru_cache(maxsize=NAMES_KEPT)
def normalised(name: str) -> str:
    """Normalise a title or an artist so that spellings of one name are equal; empty stays empty.

    Examples
    --------
    >>> normalised("  ＭOTÖRHEAD ") == normalised("Motörhead")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


@lru_cache(maxsize=NAMES_KEPT)
def artist_keys(text: str) -> frozenset[str]:
    """List the artists that a tag names, each as `normalised`: one for each value that the file had.

    A single value is one name: "&", "feat.", "/" and "," are parts of names, too.

    Examples
    --------
    >>> sorted(artist_keys("Anna; Ben")), artist_keys("Earth, Wind & Fire") == artist_keys("EARTH, WIND & FIRE")
    (['anna', 'ben'], True)
    """
    return frozenset(filter(None, map(normalised, text.split(SEPARATOR))))


# "unknown" is the prediction for tracks far from all training tracks, and so never the name of a genre
NO_GENRES = frozenset({"", "unknown", "unknowngenre", "other", "misc", "miscellaneous", "none", "genre", "undefined"})
BETWEEN = re.compile(r"[;|]|,\s|\s/\s")  # a bare slash belongs to a name: "R&B/Soul", "Singer/Songwriter"


def genre_names(text: str) -> list[str]:
    """List the genres that a tag names.

    Examples
    --------
    >>> genre_names("Trip-Hop; Electronic"), genre_names("R&B/Soul"), genre_names(" Other ")
    (['Trip-Hop', 'Electronic'], ['R&B/Soul'], [])
    """
    names = (name.strip() for name in BETWEEN.split(text))
    return [name for name in names if genre_key(name) not in NO_GENRES]


def main_genre(text: str) -> str:
    """Return the first of the genres that a tag names, which its author put first.

    Examples
    --------
    >>> main_genre("Trip-Hop; Electronic"), main_genre("R&B/Soul"), main_genre(" Other ")
    ('Trip-Hop', 'R&B/Soul', '')
    """
    return next(iter(genre_names(text)), "")


def genre_key(name: str) -> str:
    """Normalise a genre so that its spellings are equal: letters and digits only, case folded.

    Examples
    --------
    >>> genre_key("Hip-Hop") == genre_key("hip hop")
    True
    """
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
