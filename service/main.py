"""Entry point: builds the service from the environment; ``uvicorn --factory service.main:make_app`` starts it."""

from fastapi import FastAPI

from audio_engine import Engine
from service.app import create_app
from service.settings import Settings


def make_app() -> FastAPI:
    """Open the catalogue that the environment names, and make a service of it."""
    settings = Settings.from_environment()
    return create_app(Engine.open(settings.catalogue), settings)
