"""The card of a persona: a PNG of 1080 by 1350 pixels, the size that is shared, drawn with matplotlib (an extra)."""

import io
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audio_engine.users.persona_stars import N_STARS, Persona, Trait

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, DPI = 1080, 1350, 100  # pixels, pixels, pixels an inch
LEFT, RIGHT = 84, WIDTH - 84  # pixels, of the text
TOP_OF_TRAITS, TRAIT_HEIGHT = 905, 132  # pixels from the bottom; of a trait
STAR_STEP = 44  # pixels from star to star
INK, PAPER, QUIET, GOLD, TEAL = "#0b1d21", "#f4f7f6", "#a9c2c3", "#f6c453", "#5fc9c4"
FAVOURITES = (("artist", "Artists you come back to"), ("genre", "Genres"), ("sound", "Sounds"))
N_LINES = 2  # of favourites, for which there is room
N_LETTERS = 62  # in a line of favourites
RAYS = 72  # of the ring in the corner


def draw_card(persona: Persona, *, favourites: Mapping[str, Sequence[str]], name: str) -> bytes:
    """Draw the card of a persona.

    Parameters
    ----------
    persona
        Whose.
    favourites
        What the user likes most, by dimension of the profile, the best first.
    name
        What the card calls the user.

    Returns
    -------
    png
        The bytes of the file.

    Raises
    ------
    ModuleNotFoundError
        When matplotlib is not installed: it comes with the extra ``card``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  (an extra)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    _draw_background(axes, persona)
    _write(axes, LEFT, 1238, "HOW YOU LISTEN", size=15, colour=TEAL, weight="bold")
    headline = textwrap.wrap(persona.headline, 22)
    for line, text in enumerate(headline):
        _write(axes, LEFT, 1165 - 62 * line, text, size=36, weight="bold")
    _write(
        axes,
        LEFT,
        1165 - 62 * len(headline),
        f"{_short(name, 40)}  ·  {persona.n_plays:,} plays",
        size=16,
        colour=QUIET,
    )
    for row, trait in enumerate(persona.traits):
        _draw_trait(axes, trait, TOP_OF_TRAITS - TRAIT_HEIGHT * row)
    _write_favourites(axes, favourites)
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that no font here has is drawn as a box
        figure.savefig(content, format="png", metadata={"Software": "audio-engine"})
    return content.getvalue()


def _draw_background(axes: "Axes", persona: Persona) -> None:
    """Draw a dark sky, and in its corner a ring whose rays are as long as the traits are strong."""
    from matplotlib.collections import LineCollection  # noqa: PLC0415  (an extra)
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415

    shades = LinearSegmentedColormap.from_list("sky", ["#081418", "#0f2f36", "#17484d"])
    across, up = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 80))
    axes.imshow(
        0.75 * up + 0.25 * across,
        cmap=shades,
        extent=(0, WIDTH, 0, HEIGHT),
        origin="lower",
        aspect="auto",
        interpolation="bicubic",
    )
    angle = np.linspace(0, 2 * np.pi, RAYS, endpoint=False)
    corners = np.linspace(0, 2 * np.pi, len(persona.traits) + 1)
    strength = [trait.percentile for trait in persona.traits]
    length = 36 + 120 * np.interp(angle, corners, [*strength, strength[0]])
    centre, inner = np.array([WIDTH - 212.0, HEIGHT - 212.0]), 44.0
    way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rays = np.stack([centre + inner * way, centre + (inner + length[:, None]) * way], axis=1)
    tints = LinearSegmentedColormap.from_list("rays", [TEAL, GOLD])((length - 36) / 120)
    axes.add_collection(LineCollection(list(rays), colors=tints, linewidths=4.2, capstyle="round", alpha=0.9))


def _draw_trait(axes: "Axes", trait: Trait, top: float) -> None:
    """Draw a trait: its name, its stars, what they say."""
    axes.plot([LEFT, RIGHT], [top + 44, top + 44], color=PAPER, alpha=0.14, linewidth=1.2)
    _write(axes, LEFT, top, trait.title, size=21, weight="bold")
    _write(axes, LEFT, top - 46, trait.sentence, size=15, colour=QUIET)
    for star in range(N_STARS):
        x = RIGHT - 18 - STAR_STEP * (N_STARS - 1 - star)
        is_lit = star < trait.stars
        axes.plot(
            x,
            top + 2,
            marker=_star(),
            markersize=25,
            linestyle="none",
            markerfacecolor=GOLD if is_lit else "none",
            markeredgecolor=GOLD if is_lit else QUIET,
            markeredgewidth=0.5 if is_lit else 1.2,
            alpha=1.0 if is_lit else 0.7,
        )


def _write_favourites(axes: "Axes", favourites: Mapping[str, Sequence[str]]) -> None:
    """Write what the user likes most, at the foot."""
    lines = [(words, ", ".join(favourites[kind])) for kind, words in FAVOURITES if favourites.get(kind)]
    for row, (words, text) in enumerate(lines[:N_LINES]):
        top = 196 - 74 * row
        _write(axes, LEFT, top, words.upper(), size=11, colour=TEAL, weight="bold")
        _write(axes, LEFT, top - 32, _short(text, N_LETTERS), size=16)


def _star() -> "object":
    """Make a star whose points are not too thin."""
    from matplotlib.path import Path  # noqa: PLC0415  (an extra)

    return Path.unit_regular_star(N_STARS, innerCircle=0.5)


def _write(  # noqa: PLR0913  (where, what and how)
    axes: "Axes", x: float, y: float, text: str, *, size: float, colour: str = PAPER, weight: str = "normal"
) -> None:
    """Write a line as it stands: a dollar sign begins no formula."""
    axes.text(x, y, text, fontsize=size, color=colour, fontweight=weight, va="center", parse_math=False)


def _short(text: str, n_letters: int) -> str:
    """Cut a text that is too long for its line."""
    return text if len(text) <= n_letters else f"{text[: n_letters - 1].rstrip(' ,')}…"
