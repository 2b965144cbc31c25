"""Version of the service, as it tells its clients."""

from audio_engine.version import installed_version

VERSION = installed_version() or "0"  # 0: run from a checkout
