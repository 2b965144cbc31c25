"""The words of a persona: a title for each measure, a sentence for each number of stars, and a headline."""

from collections.abc import Mapping

PLAIN = 0.1  # from the middle: who is nowhere further from it has no side that stands out

TITLES = {
    "explorer": "Explorer",
    "diverse": "Many-sided",
    "new_tracks": "Up to date",
    "off_mainstream": "Off the beaten track",
    "unique": "One of a kind",
}
SENTENCES = {  # from one star to five
    "explorer": (
        "You know whom you love, and you stay with them.",
        "You mostly return to artists you trust, with a visit elsewhere now and then.",
        "Old friends and new names take turns with you.",
        "You like meeting artists you have never heard before.",
        "There is hardly a day on which you do not meet a new artist.",
    ),
    "diverse": (
        "You have found your sound, and you live in it.",
        "You have a favourite sound and a few neighbours of it.",
        "You move between several sounds and feel at home in each.",
        "Your listening ranges widely: few sounds are foreign to you.",
        "From one end of the catalogue to the other: you listen to everything.",
    ),
    "new_tracks": (
        "You keep what has lasted: old recordings are your home.",
        "You let the dust settle before you listen.",
        "You listen to the new and the old alike.",
        "You hear many tracks while they are still new.",
        "If it came out this week, you have heard it.",
    ),
    "off_mainstream": (
        "You are where the crowd is, and the crowd has taste.",
        "You like what many like, with a few finds of your own.",
        "You know the well-loved tracks, and some that few have heard.",
        "You play much that most people have never come across.",
        "You find the tracks that almost nobody plays.",
    ),
    "unique": (
        "Your taste is one that many would share over dinner.",
        "Your taste sits well with most people’s.",
        "You agree with the crowd half of the time.",
        "Your taste goes its own way.",
        "Nobody’s ears are quite like yours.",
    ),
}
HEADLINES = {  # of the measure that stands out most: below the middle, above it
    "explorer": ("The faithful listener", "The explorer"),
    "diverse": ("The connoisseur of one sound", "The traveller between sounds"),
    "new_tracks": ("The keeper of old treasures", "The first to know"),
    "off_mainstream": ("The heart of the crowd", "The finder of hidden tracks"),
    "unique": ("The one everybody agrees with", "One of a kind"),
}
BALANCED = "The balanced listener"


def title(measure: str) -> str:
    """Name a measure as people do."""
    return TITLES[measure]


def sentence(measure: str, stars: int) -> str:
    """Say what so many stars of a measure mean.

    Examples
    --------
    >>> sentence("diverse", 5)
    'From one end of the catalogue to the other: you listen to everything.'
    """
    return SENTENCES[measure][stars - 1]


def headline(percentile: Mapping[str, float]) -> str:
    """Sum a persona up by the measure that is furthest from the middle.

    Examples
    --------
    >>> headline({"explorer": 0.6, "unique": 0.1}), headline({"explorer": 0.5})
    ('The one everybody agrees with', 'The balanced listener')
    """
    far = max(percentile, key=lambda name: abs(percentile[name] - 0.5))
    if abs(percentile[far] - 0.5) <= PLAIN:
        return BALANCED
    return HEADLINES[far][percentile[far] > 0.5]
