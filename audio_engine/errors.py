"""The public errors, as a tree.

``service`` maps them to status codes, the command line to one line on stderr.

::

    LookupError
    ├── UnknownTrackError      the catalogue has no such track
    ├── UnknownUserError       the learned play log has no such user
    ├── TrackValuesError       there are no values of tracks from a stream, or they cannot be read
    └── NotTrainedError        the catalogue has no genre classifier, or no users, yet
    ConnectionError
    ├── MediaServerError       a media server cannot be reached, refuses, or answers what it should not
    └── PartnerError           the other party of a federated model has gone, or says what it should not
    ValueError
    ├── DecodeError            the file cannot be decoded as audio              (features.decode_errors)
    │   └── TooLongError       it is longer than the service's limit            (features.decode_errors)
    ├── DuplicateTrackError    the catalogue has a track of these bytes already
    ├── RecipeMismatchError    weights, vectors or an index of another recipe   (metric_learning.model_files)
    ├── FloorError             a plan of modules cannot meet the floors of its policy
    └── CatalogueError         the catalogue cannot be opened or read

Errors of other rooms are imported on first use, so that importing this module loads no decoder and no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.decode_errors import DecodeError, TooLongError
    from metric_learning.model_files import RecipeMismatchError

__all__ = [
    "CatalogueError",
    "DecodeError",
    "DuplicateTrackError",
    "FloorError",
    "MediaServerError",
    "NotTrainedError",
    "PartnerError",
    "RecipeMismatchError",
    "TooLongError",
    "TrackValuesError",
    "UnknownTrackError",
    "UnknownUserError",
]

_ROOM_OF = {
    "DecodeError": "features.decode_errors",
    "TooLongError": "features.decode_errors",
    "RecipeMismatchError": "metric_learning.model_files",
}


class UnknownTrackError(LookupError):
    """The catalogue has no track of this id or path."""


class UnknownUserError(LookupError):
    """The play log that was learned has no user of this name."""


class NotTrainedError(LookupError):
    """The catalogue has no genre classifier yet, or has learned no users."""


class TrackValuesError(LookupError):
    """There are no values of tracks from a stream, or they cannot be read."""


class DuplicateTrackError(ValueError):
    """The catalogue has a track of these bytes already."""


class FloorError(ValueError):
    """A plan of modules cannot meet the floors of its policy."""


class MediaServerError(ConnectionError):
    """A media server cannot be reached, refuses the login or a request, or answers what it should not."""


class PartnerError(ConnectionError):
    """The other party of a federated model has gone, does not answer, or says what it should not."""


class CatalogueError(ValueError):
    """The catalogue cannot be opened: damaged, not a catalogue, or written by a newer version."""


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOM_OF[name]), name)
