"""Search by name: words find tracks, whatever their case and accents, as soon as they are there."""

from pathlib import Path

import pytest

from audio_engine import Catalogue, Engine
from audio_engine.embedding.models import shipped_model_id
from tests.audio_engine.search.planted import change, clusters


@pytest.fixture
def named(engine: Engine) -> Engine:
    vectors = clusters()
    engine.catalogue.set_model(shipped_model_id())
    engine.catalogue.write(
        [
            change("a", vectors[0], title="Ace of Spades", artist="Motörhead"),
            change("b", vectors[1], title="Spade work", artist="Someone"),
            change("sub/motor", vectors[2], title="Ácé", album="The Motorheads"),
            change("d", vectors[3], title="ＷＩＤＥ <script>"),
            change("e", vectors[4], title="Annabel"),
            change("f", vectors[5], artist="Anna; Ben"),
        ]
    )
    return engine


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("motorhead", ["a", "motor"]),
        ("MOTÖRHEAD ace", ["a", "motor"]),
        ("spade", ["b", "a"]),  # the whole word first
        ("of spade", ["a"]),
        ("pade", ["a", "b"]),
        ("sub", ["motor"]),
        ("<script>", ["d"]),
        ("wide", ["d"]),
        ("ace nothing", []),
        ("anna", ["f", "e"]),  # one of two artists is a whole word
        ("anna; ben", ["f"]),
        ("ben anna;", ["f"]),
        ("%", []),
        ("  ", []),
    ],
)
def test_words_find_tracks_whatever_their_case_and_accents(named: Engine, text: str, names: list[str]) -> None:
    assert [track.path.stem for track in named.search.by_text(text)] == names


def test_the_search_sees_what_any_process_added_renamed_or_removed(named: Engine, tmp_path: Path) -> None:
    assert len(named.search.by_text("mp3")) == 6
    assert len(named.search.by_text("mp3", k=2)) == 2
    named.remove("/music/a.mp3")
    assert len(named.search.by_text("mp3")) == 5
    with Catalogue(tmp_path / "catalogue") as other:
        other.write([change("new", clusters()[9], title="Newcomer")])
    assert [track.tags.title for track in named.search.by_text("newcomer")] == ["Newcomer"]
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        named.search.by_text("mp3", k=0)
