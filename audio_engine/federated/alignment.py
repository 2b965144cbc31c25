"""Private set intersection: two parties learn which users they share, and of the others nothing.

By ``psi`` the ids cross as points of an elliptic curve, blinded with each party's own key (`openmined-psi`). Both
parties learn the users they have in common and how many the other has. By ``hashed`` the ids cross as keyed hashes: who
holds the shared key, that is the other party, can test any id it can think of against them. It needs no further
package.

References
----------
C. Meadows, A more efficient cryptographic matchmaking protocol, IEEE S&P 1986; B. A. Huberman, M. Franklin, T. Hogg,
Enhancing privacy and trust in electronic communities, EC 1999: the intersection by commutative blinding.
"""

import hmac
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from random import SystemRandom
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from audio_engine.errors import PartnerError
from audio_engine.federated.link import Link

Method = Literal["psi", "hashed"]

KIND = "alignment"
HASH_BYTES = 16
SHORTEST_SECRET = 16  # bytes
FALSE_POSITIVES = 1e-9  # is not used by the exact data structure, but must be given


def align(link: Link, ids: Sequence[str], *, method: str, secret: bytes, is_first: bool) -> list[str]:
    """Find the users that both parties have.

    Parameters
    ----------
    link
        To the other party, which calls this too.
    ids
        Of this party's users, each once.
    method
        ``psi`` or ``hashed``; the same at both ends.
    secret
        Key of the hashes, at least `SHORTEST_SECRET` bytes; is not read by ``psi``.
    is_first
        True at one end, False at the other.

    Returns
    -------
    common
        In the order of their ids, the same at both ends.

    Raises
    ------
    PartnerError
        When the parties do not find the same.
    ValueError, ModuleNotFoundError
        As `check_method`.
    """
    check_method(method, secret=secret)
    mixed = SystemRandom().sample(list(ids), len(ids))  # the order of what crosses must not tell that of the ids
    found = _by_psi(link, mixed, is_first=is_first) if method == "psi" else _by_hashes(link, mixed, secret=secret)
    common = sorted(found)
    link.send(KIND, n_common=np.array([len(common)]))
    n_there = int(link.receive(KIND)[1]["n_common"][0])
    if n_there != len(common):
        raise PartnerError(
            f"both parties must find the same users, got {len(common)} here and {n_there} there "
            "(is the secret the same at both ends?)"
        )
    return common


def check_method(method: str, *, secret: bytes) -> None:
    """Refuse a method that this party cannot follow, before anybody waits for it.

    Raises
    ------
    ValueError
        When the method is neither of the two, or the secret too short.
    ModuleNotFoundError
        When `openmined-psi` is not installed.
    """
    if method not in get_args(Method):
        raise ValueError(f"alignment must be one of {', '.join(get_args(Method))}, got {method!r}")
    if method == "psi":
        import_module("private_set_intersection.python")
    elif len(secret) < SHORTEST_SECRET:
        raise ValueError(f"secret must be a file of at least {SHORTEST_SECRET} bytes, got {len(secret)}")


def read_secret(path: Path | None) -> bytes:
    """Read the shared key of hashed ids from a file; none where there is no file."""
    return b"" if path is None else path.read_bytes().strip()


def _by_hashes(link: Link, ids: list[str], *, secret: bytes) -> list[str]:
    """Exchange keyed hashes of the ids."""
    hashes = {hmac.digest(secret, each.encode(), "sha256")[:HASH_BYTES]: each for each in ids}
    link.send(KIND, hashes=_bytes(b"".join(hashes)))
    theirs = link.receive(KIND)[1]["hashes"].tobytes()
    there = (theirs[start : start + HASH_BYTES] for start in range(0, len(theirs), HASH_BYTES))
    return [hashes[each] for each in there if each in hashes]


def _by_psi(link: Link, ids: list[str], *, is_first: bool) -> list[str]:
    """Run the protocol twice, with each party once as the client, which alone learns the intersection."""
    if is_first:
        found = _ask(link, ids)
        _answer(link, ids)
        return found
    _answer(link, ids)
    return _ask(link, ids)


def _ask(link: Link, ids: list[str]) -> list[str]:
    """Learn which of our ids the other party has."""
    import private_set_intersection.python as psi  # noqa: PLC0415  (an extra)

    client = psi.client.CreateWithNewKey(True)
    link.send(KIND, request=_bytes(client.CreateRequest(ids).SerializeToString()), n_ids=np.array([len(ids)]))
    _, answer = link.receive(KIND)
    setup, response = psi.ServerSetup(), psi.Response()
    setup.ParseFromString(answer["setup"].tobytes())
    response.ParseFromString(answer["response"].tobytes())
    return [ids[place] for place in client.GetIntersection(setup, response)]


def _answer(link: Link, ids: list[str]) -> None:
    """Let the other party learn which of its ids we have."""
    import private_set_intersection.python as psi  # noqa: PLC0415  (an extra)

    _, asked = link.receive(KIND)
    request = psi.Request()
    request.ParseFromString(asked["request"].tobytes())
    server = psi.server.CreateWithNewKey(True)
    setup = server.CreateSetupMessage(FALSE_POSITIVES, int(asked["n_ids"][0]), ids, psi.DataStructure.RAW)
    response = server.ProcessRequest(request)
    link.send(KIND, setup=_bytes(setup.SerializeToString()), response=_bytes(response.SerializeToString()))


def _bytes(content: bytes) -> NDArray[Any]:
    """Take bytes as an array."""
    return np.frombuffer(content, np.uint8)
