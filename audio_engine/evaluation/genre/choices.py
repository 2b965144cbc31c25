"""What can be chosen in a genre benchmark: light to import, so that the command line offers it without scikit-learn."""

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
    PLAIN = "plain"  # flatters: an artist may be on both sides
    OFFICIAL = "official"


class Unit(StrEnum):
    """What gets a vector, and is classified."""

    SEGMENT = "segment"  # predictions are averaged over the segments of a track
    TRACK = "track"


class Kind(StrEnum):
    """What is trained on the vectors."""

    LOGISTIC = "logistic regression"
    KNN = "kNN"
    MLP = "MLP"
