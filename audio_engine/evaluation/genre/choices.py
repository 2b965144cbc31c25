"""Options of the genre benchmark: light to import, so that the command line can list them without scikit-learn."""

from enum import StrEnum


class Layout(StrEnum):
    """How a dataset lies on disk; each has a reader."""

    OWN = "own"  # a folder of genre/track, or a table
    GTZAN = "gtzan"
    FMA_SMALL = "fma-small"
    FMA_MEDIUM = "fma-medium"
    JAMENDO = "jamendo"
    BALLROOM = "ballroom"


class Protocol(StrEnum):
    """How tracks are split."""

    ARTIST_FILTERED = "artist-filtered"
    PLAIN = "plain"  # optimistic: an artist may be on both sides
    OFFICIAL = "official"


class Unit(StrEnum):
    """The unit that is described and classified."""

    SEGMENT = "segment"  # predictions are averaged over the segments of a track
    TRACK = "track"


class Kind(StrEnum):
    """The kinds of classifier."""

    LOGISTIC = "logistic regression"
    KNN = "kNN"
    MLP = "MLP"
