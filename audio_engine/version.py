"""Version of the installed package, for people and for clients."""


def installed_version() -> str | None:
    """Look the version up; None in a checkout that is not installed."""
    from importlib import metadata  # noqa: PLC0415  (help is instant without it)

    try:
        return metadata.version("audio-content-engine")
    except metadata.PackageNotFoundError:
        return None
