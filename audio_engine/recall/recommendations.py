"""Values of recall: a play of the query, recalled tracks and users, and reports."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from audio_engine.catalogue.track import Track, TrackVector

Action = Literal["none", "like", "dislike", "skip"]
Method = Literal["user tower and sound", "sound"]  # how a user's vector was made
Interests: TypeAlias = int | Literal["auto"]  # into how many a user's likes are divided: 1 is one vector
AUTO: Final = "auto"  # as many as are clearly seen
MAX_INTERESTS = 10


@dataclass(frozen=True, kw_only=True)
class Play:
    """One line of a user's history.

    Raises
    ------
    ValueError
        When the action is none of the four, or a number is out of range.
    """

    track: str | TrackVector  # an id, or the path of a file, in the catalogue or not; or what was looked up before
    action: Action = "like"
    completion: float | None = None  # share of the track that was heard, 0 to 1; None where not known
    days_ago: float = 0.0  # days

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise ValueError(f"action must be one of {', '.join(get_args(Action))}, got {self.action!r}")
        if self.completion is not None and not 0 <= self.completion <= 1:
            raise ValueError(f"completion must be from 0 to 1, got {self.completion} (is it in per cent?)")
        if not 0 <= self.days_ago < float("inf"):
            raise ValueError(f"days_ago must be at least 0 and finite, got {self.days_ago}")


@dataclass(frozen=True, kw_only=True)
class RecalledTrack:
    """A track to show to a user."""

    rank: int  # from 1
    score: float  # cosine of the track's vector and the user's, or the query of the interest; both know of dislikes
    track: Track
    reasons: tuple[Track, ...]  # liked tracks of its interest that it sounds like, the most similar first
    method: Method | None = None  # how the user's vector was made; None where it was given
    interest: int = 1  # of the user's interests, the one it was found for: 1 is the largest


@dataclass(frozen=True, kw_only=True)
class RecalledUser:
    """A user to show a track to."""

    rank: int  # from 1
    user: str
    similarity: float  # cosine of the user's vector and the track's
    reasons: tuple[Track, ...]  # liked tracks that it sounds like, the most similar first
    method: Method | None = None  # how the users' vectors were made


@dataclass(frozen=True, kw_only=True)
class LearnedUsersReport:
    """What was learned from a play log."""

    n_users: int
    n_without: int  # users of the log without a vector: no usable play of a known track
    n_plays: int  # rows of the log
    n_left_out: int  # rows that could not be used
    left_out: dict[str, int]  # the same by reason
    n_tracks: int  # tracks of the catalogue that were played
    method: Method  # how the users' vectors were made
    model_id: str  # the model whose vectors they are comparable with
    n_elsewhere: int = 0  # plays of tracks that the model's user tower knows and the catalogue lacks
    n_of_tower: int | None = None  # plays of tracks that the tower knows, in the catalogue or not; None: it has none
    n_shared: int = 0  # plays whose track is named as several recordings of the catalogue are: of none of these


@dataclass(frozen=True, kw_only=True)
class RecallAllReport:
    """The result of recall for all users."""

    n_users: int
    n_rows: int  # in the file: places in all answers
    method: Method  # how the users' vectors were made


def check_interests(interests: Interests) -> None:
    """Refuse a number of interests that is none.

    Raises
    ------
    ValueError
    """
    if interests != AUTO and not (isinstance(interests, int) and 1 <= interests <= MAX_INTERESTS):
        raise ValueError(f"interests must be from 1 to {MAX_INTERESTS}, or auto, got {interests!r}")
