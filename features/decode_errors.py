"""The errors of decoding, in a module that loads no decoder."""


class DecodeError(ValueError):
    """A file that no decoder could turn into sound; the message says why, in one line."""


class TooLongError(DecodeError):
    """A file that declares, or turns out to hold, more seconds than are allowed."""
