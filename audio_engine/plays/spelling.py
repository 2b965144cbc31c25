"""Spelling of names for comparison."""

import unicodedata


def one_spelling(name: str) -> str:
    """Write a name so that its NFC and NFD spellings are equal."""
    return unicodedata.normalize("NFC", name)
