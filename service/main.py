"""Entry point: builds the service from the environment; ``uvicorn --factory service.main:make_app`` starts it."""

import gc

from fastapi import FastAPI

from audio_engine import Engine
from service.app import create_app
from service.settings import Settings

RARELY = (10_000, 20, 50)  # thresholds of the garbage collector: a pass over all that lives once in 10,000,000 objects


def make_app() -> FastAPI:
    """Open the catalogue that the environment names, and make a service of it.

    The process is its own: the garbage collector leaves out what is in memory when the service is ready, a million
    objects that stay. Each pass over them holds up every answer for tenths of a second.
    """
    settings = Settings.from_environment()
    gc.set_threshold(*RARELY)
    return create_app(Engine.open(settings.catalogue), settings, when_ready=gc.freeze)
