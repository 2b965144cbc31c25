"""The public API of the library, and what it must not import."""

import subprocess
import sys

import audio_engine


def test_every_public_name_is_there_and_documented() -> None:
    assert audio_engine.__all__ == sorted(audio_engine.__all__)
    for name in audio_engine.__all__:
        assert getattr(audio_engine, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(audio_engine, "Engin")


def test_decoder_processes_and_light_commands_import_no_torch() -> None:
    for module in ("audio_engine.decoding.worker", "audio_engine.cli.commands", "audio_engine.engine"):
        code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, module
