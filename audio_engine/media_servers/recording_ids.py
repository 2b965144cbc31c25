"""MusicBrainz ids in the tags of a file: of its recording, and of the recording's place on a release.

References
----------
MusicBrainz Picard, appendix B, tag mapping: "MusicBrainz Recording Id" and "MusicBrainz Track Id".
"""

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ENDINGS = ("musicbrainztrackid", "musicbrainzreleasetrackid", "ufidhttpmusicbrainzorg")  # of names, letters only


def read_recording_ids(path: Path) -> frozenset[str]:
    """Read the ids that a file states, in lower case; none where it has none or cannot be read."""
    import mutagen  # noqa: PLC0415  (what reads no ids starts without it)

    try:
        tags: Any = getattr(mutagen.File(path), "tags", None)
        names = () if tags is None else [str(name) for name in tags.keys()]  # noqa: SIM118  (ID3 is no plain mapping)
        texts = [text for name in names if _letters(name).endswith(ENDINGS) for text in _texts(tags[name])]
    except Exception as error:  # noqa: BLE001  (a damaged file makes mutagen raise anything)
        logger.debug("no MusicBrainz ids of %r: %s", path, error)
        return frozenset()
    return frozenset(found.group().lower() for text in texts if (found := UUID.search(text)))


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name.casefold()))


def _texts(tag: Any) -> Iterable[str]:
    """List the texts of a tag, whatever class its format uses."""
    values = getattr(tag, "data", None) or getattr(tag, "text", None) or tag
    for value in [values] if isinstance(values, str | bytes) else values:
        yield bytes(value).decode("ascii", "replace") if isinstance(value, bytes) else str(value)
