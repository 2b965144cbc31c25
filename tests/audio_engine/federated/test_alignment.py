"""Both parties find the users that they share, by both methods, and nothing else crosses."""

import threading
from collections.abc import Iterator

import pytest

from audio_engine.errors import PartnerError
from audio_engine.federated.alignment import align
from audio_engine.federated.link import Link, dial, listen

SECRET = b"sixteen bytes or more"
OURS = [f"u{number:03}" for number in range(60)]
THEIRS = [f"u{number:03}" for number in range(40, 110)] + ["Zoë"]


@pytest.fixture
def links() -> Iterator[tuple[Link, Link]]:
    with listen("127.0.0.1:0", patience_s=20) as (ours, address), dial(address, patience_s=20) as theirs:
        yield ours, theirs


def align_both(
    links: tuple[Link, Link], ours: list[str], theirs: list[str], *, secrets: tuple[bytes, bytes], method: str
):
    """Run both parties, the second in a thread; returns what each found, or the error it ended with."""
    found: list[object] = [None, None]

    def run(place: int, ids: list[str]) -> None:
        try:
            found[place] = align(links[place], ids, method=method, secret=secrets[place], is_first=place == 0)
        except PartnerError as error:
            found[place] = error

    other = threading.Thread(target=run, args=(1, theirs))
    other.start()
    run(0, ours)
    other.join()
    return found


@pytest.mark.parametrize("method", ["hashed", "psi"])
def test_both_parties_find_the_same_users(links: tuple[Link, Link], method: str) -> None:
    if method == "psi":
        pytest.importorskip("private_set_intersection")
    ours, theirs = align_both(links, OURS, THEIRS, secrets=(SECRET, SECRET), method=method)
    assert ours == theirs == OURS[40:]


@pytest.mark.parametrize("method", ["hashed", "psi"])
def test_no_id_crosses_and_every_byte_is_counted(
    links: tuple[Link, Link], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if method == "psi":
        pytest.importorskip("private_set_intersection")
    crossed: list[bytes] = []
    count = Link._count
    monkeypatch.setattr(
        Link, "_count", lambda link, name, message: (crossed.append(message), count(link, name, message))
    )
    align_both(links, OURS, THEIRS, secrets=(SECRET, SECRET), method=method)
    assert not any(each.encode() in message for message in crossed for each in [*OURS, *THEIRS])
    assert links[0].n_bytes["sent alignment"] == links[1].n_bytes["received alignment"] > 0
    assert sum(links[0].n_bytes.values()) == sum(links[1].n_bytes.values()) == sum(map(len, crossed)) // 2


def test_different_secrets_find_nobody(links: tuple[Link, Link]) -> None:
    ours, theirs = align_both(links, OURS, THEIRS, secrets=(SECRET, b"another, also long"), method="hashed")
    assert ours == theirs == []


def test_a_short_secret_and_an_unknown_method_are_refused(links: tuple[Link, Link]) -> None:
    with pytest.raises(ValueError, match="secret must be a file of at least 16 bytes, got 5"):
        align(links[0], OURS, method="hashed", secret=b"short", is_first=True)
    with pytest.raises(ValueError, match="alignment must be one of psi, hashed, got 'plain'"):
        align(links[0], OURS, method="plain", secret=SECRET, is_first=True)


@pytest.mark.parametrize("address", ["0.0.0.0:9", "example.org:9", "10.0.0.1:9", "127.0.0.1", "127.0.0.1:x"])
def test_only_this_machine_is_listened_at(address: str) -> None:
    with pytest.raises(ValueError, match="address must be HOST:PORT of this machine"), listen(address):
        pass
