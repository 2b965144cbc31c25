"""Module personalisation: in which order a user's home page shows songs, playlists, clips, new releases and so on."""

from audio_engine.errors import FloorError
from audio_engine.modules.pages import Pages, read_pages
from audio_engine.modules.planning import Plan, plan_modules
from audio_engine.modules.policy import Floor, ModulePolicy, read_policy

__all__ = ["Floor", "FloorError", "ModulePolicy", "Pages", "Plan", "plan_modules", "read_pages", "read_policy"]
