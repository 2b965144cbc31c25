"""Runs commands of the experiments in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.command_line import Ran


@pytest.fixture
def run_main() -> Callable[..., Ran]:
    def run(main: Callable[..., None], *arguments: str | Path) -> Ran:
        app = typer.Typer()
        app.command()(main)
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run
