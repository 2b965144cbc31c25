"""Version of the installed package, as services tell it to their clients."""

from importlib import metadata


def _version() -> str:
    """Look it up."""
    try:
        return metadata.version("audio-content-engine")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "0"


VERSION = _version()
