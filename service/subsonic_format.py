"""Response format of the Subsonic API: JSON or XML in its envelope.

References
----------
OpenSubsonic API, https://opensubsonic.netlify.app: ``subsonic-response``, ``Child``, ``sonicMatch``, errors 0 to 70.
"""

import json
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from fastapi import Response

from audio_engine import Track

API_VERSION = "1.16.1"
NAME = "audio-engine"


def answer(format_: str, content: dict[str, Any], *, version: str, status: str = "ok") -> Response:
    """Put content in the envelope.

    Parameters
    ----------
    format_
        "json"; else XML.
    content
        Lists of objects become elements of that name, plain values attributes.
    version
        Of this server.
    """
    envelope = {
        "status": status,
        "version": API_VERSION,
        "type": NAME,
        "serverVersion": version,
        "openSubsonic": True,
        **content,
    }
    if format_ == "json":
        return Response(json.dumps({"subsonic-response": envelope}), media_type="application/json")
    root = Element("subsonic-response", {"xmlns": "http://subsonic.org/restapi"})
    _fill(root, envelope)
    return Response(b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root), media_type="application/xml")


def child(track: Track, song_id: str) -> dict[str, Any]:
    """Describe a track as Subsonic does, by an id that the player knows; what is not known is left out."""
    tags = track.tags
    described = {
        "id": song_id,
        "isDir": False,
        "type": "music",
        "mediaType": "song",
        "title": tags.title or track.path.stem,
        "artist": tags.artist,
        "album": tags.album,
        "genre": tags.genre,
        "year": tags.year,
        "duration": None if tags.duration_s is None else round(tags.duration_s),
        "size": track.file_size,
        "suffix": track.path.suffix.removeprefix("."),
    }
    return {name: clean(value) for name, value in described.items() if value not in {None, ""}}


def _fill(element: Element, content: dict[str, Any]) -> None:
    """Write an object as an element: what has parts of its own becomes elements within."""
    for name, value in content.items():
        if isinstance(value, dict):
            _fill(SubElement(element, name), value)
        elif isinstance(value, list):
            for each in value:
                inner = SubElement(element, name)
                if isinstance(each, dict):
                    _fill(inner, each)
                else:
                    inner.text = str(each)
        else:
            element.set(name, str(value).lower() if isinstance(value, bool) else str(value))


def clean(value: Any) -> Any:
    """Take out of text what XML cannot hold (and no title needs)."""
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter for letter in text if letter >= " " and letter not in "\ufffe\uffff")
