"""What a person looks for in a piece of music: its tempo, its key and its loudness; and the names of the 24 keys.

A key is named as players and DJ programs name it: "C", "F#", "Eb", and in minor "Am", "C#m". The Camelot wheel numbers
the same keys so that neighbours mix well: 8B is C major, 8A its relative minor.
"""

import re
from dataclasses import dataclass

MAJOR_KEYS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")  # by semitones above C
MINOR_KEYS = ("Cm", "C#m", "Dm", "Ebm", "Em", "Fm", "F#m", "Gm", "G#m", "Am", "Bbm", "Bm")
SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
KEY_NAME = re.compile(r"(?P<letter>[a-g])(?P<sign>[#b♯♭]?)\s*(?P<mode>|m|min|minor|maj|major)", re.IGNORECASE)
CAMELOT = re.compile(r"(?P<number>1[0-2]|[1-9])(?P<side>[AB])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What was measured of a track; a value is missing where the track has none."""

    bpm: float | None = None  # beats a minute
    key: str = ""  # one of `MAJOR_KEYS` or `MINOR_KEYS`
    loudness_lufs: float | None = None  # integrated, EBU R 128

    @property
    def camelot(self) -> str:
        """The key's place on the Camelot wheel, as in "8A"; empty where there is no key."""
        return camelot(self.key) if self.key else ""


def camelot(key: str) -> str:
    """Give the place of a key on the Camelot wheel.

    Examples
    --------
    >>> camelot("C"), camelot("Am"), camelot("G"), camelot("G#m")
    ('8B', '8A', '9B', '1A')
    """
    is_minor = key in MINOR_KEYS
    major = (MINOR_KEYS.index(key) + 3) % 12 if is_minor else MAJOR_KEYS.index(key)
    return f"{(7 + 7 * major) % 12 + 1}{'A' if is_minor else 'B'}"


def key_of(text: str) -> str:
    """Read the name of a key, in the usual spellings.

    Raises
    ------
    ValueError
        When it names none.

    Examples
    --------
    >>> key_of("A minor"), key_of("db"), key_of("C#"), key_of("8a"), key_of("Cb")
    ('Am', 'Db', 'Db', 'Am', 'B')
    """
    if found := CAMELOT.fullmatch(text.strip()):
        wanted = found.group().upper()
        return next(key for key in (*MAJOR_KEYS, *MINOR_KEYS) if camelot(key) == wanted)
    named = KEY_NAME.fullmatch(text.strip())
    if named is None:
        raise ValueError(f"key must be a key such as Am, F#, Eb major or 8A, got {text!r}")
    tonic = (SEMITONES[named["letter"].lower()] + SIGNS[named["sign"].lower()]) % 12
    return (MINOR_KEYS if named["mode"].lower() in {"m", "min", "minor"} else MAJOR_KEYS)[tonic]
