"""The client without its extra."""

import sys

import pytest

from audio_engine import Client


def test_without_httpx_the_client_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'audio-content-engine\[client\]'"):
        Client()
