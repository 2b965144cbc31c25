"""Messages between two parties: named arrays in safetensors, over one gRPC stream on this machine.

Our process listens, and the partner's dials. Either learns at once when the other has gone. Every byte of every message
is counted by what it carries. Only loopback addresses are taken: parties in two places join by a tunnel (ssh, VPN),
which encrypts and tells who is who.
"""

import ipaddress
import json
import queue
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from audio_engine.errors import PartnerError

SERVICE, METHOD = "audio_engine.Federated", "Join"
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
PATIENCE_S = 600.0  # that a party waits for the other's next message
GRACE_S = 5.0  # that the last messages have to get across
WORDS = "json"  # the array that holds settings

Arrays = dict[str, NDArray[Any]]


class Link:
    """One end of a conversation.

    Parameters
    ----------
    other
        Who is at the other end, for an error.
    patience_s
        Seconds to wait for a message.
    """

    def __init__(self, other: str, *, patience_s: float = PATIENCE_S) -> None:
        self._other, self._patience_s = other, patience_s
        self._inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.n_bytes: Counter[str] = Counter()  # by "sent KIND" and "received KIND"
        self.n_messages: Counter[str] = Counter()

    def send(self, kind: str, **arrays: NDArray[Any]) -> None:
        """Send arrays under a kind."""
        named = {f"{kind}/{name}": np.ascontiguousarray(array) for name, array in arrays.items()}
        message = save(named or {f"{kind}/": np.zeros(0, np.uint8)})
        self._count(f"sent {kind}", message)
        self._outbox.put(message)

    def receive(self, *kinds: str) -> tuple[str, Arrays]:
        """Wait for a message.

        Raises
        ------
        PartnerError
            When the other party has gone, says nothing for too long, or says something else.
        """
        try:
            message = self._inbox.get(timeout=self._patience_s)
        except queue.Empty:
            raise PartnerError(f"{self._other} must answer within {self._patience_s:g} s, got nothing") from None
        if message is None:
            n_received = sum(n for name, n in self.n_messages.items() if name.startswith("received"))
            raise PartnerError(
                f"{self._other} must stay connected to the end, got a lost connection after {n_received} messages "
                "(was it stopped?)"
            )
        kind, arrays = _unpack(message, self._other)
        self._count(f"received {kind}", message)
        if kind not in kinds:
            raise PartnerError(f"{self._other} must send {' or '.join(kinds)} now, got {kind}")
        return kind, arrays

    def fill(self, messages: Iterable[bytes]) -> None:
        """Take messages in, until the other party has no more or has gone."""
        try:
            for message in messages:
                self._inbox.put(message)
        except grpc.RpcError:
            pass  # the other party has gone, which is what the mark below says
        finally:
            self.close()

    def outgoing(self) -> Iterator[bytes]:
        """Give messages out, until the link is closed."""
        while (message := self._outbox.get()) is not None:
            yield message

    def close(self) -> None:
        """Say that no more messages will come or go."""
        self._inbox.put(None)
        self._outbox.put(None)

    def _count(self, name: str, message: bytes) -> None:
        """Count a message and its bytes."""
        self.n_bytes[name] += len(message)
        self.n_messages[name] += 1


@contextmanager
def listen(address: str, *, patience_s: float = PATIENCE_S) -> Iterator[tuple[Link, str]]:
    """Listen for one partner; gives the link, and the address with the port that was free if it was 0.

    Raises
    ------
    ValueError
        When the address is not one of this machine, or is taken.
    """
    _check_address(address)
    link, is_joined = Link("the partner", patience_s=patience_s), threading.Event()

    def join(messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Take one partner in."""
        if is_joined.is_set():
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "another partner has joined")
        is_joined.set()
        context.add_callback(link.close)
        threading.Thread(target=link.fill, args=(messages,), daemon=True).start()
        yield from link.outgoing()

    server = grpc.server(ThreadPoolExecutor(2), options=[*OPTIONS, ("grpc.so_reuseport", 0)])
    handler = grpc.stream_stream_rpc_method_handler(join)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ValueError(f"address must be free on this machine, got {address}") from error
    server.start()
    try:
        yield link, f"{address.rpartition(':')[0]}:{port}"
    finally:
        link.close()
        server.stop(GRACE_S).wait()


@contextmanager
def dial(address: str, *, patience_s: float = PATIENCE_S) -> Iterator[Link]:
    """Join whoever listens at an address, or will within `patience_s`.

    Raises
    ------
    ValueError
        When the address is not one of this machine.
    """
    _check_address(address)
    link = Link(f"who listens at {address}", patience_s=patience_s)
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        answers = channel.stream_stream(f"/{SERVICE}/{METHOD}")(link.outgoing(), wait_for_ready=True)
        reader = threading.Thread(target=link.fill, args=(answers,), daemon=True)
        reader.start()
        try:
            yield link
            link.close()
            reader.join(GRACE_S)  # until the other end has read everything
        finally:
            link.close()
            answers.cancel()


def words(settings: dict[str, Any]) -> NDArray[np.uint8]:
    """Write settings as an array."""
    return np.frombuffer(json.dumps(settings).encode(), np.uint8)


def read_words(arrays: Arrays) -> dict[str, Any]:
    """Read settings that were sent as the array `WORDS`.

    Raises
    ------
    PartnerError
        When there are none.
    """
    try:
        settings: dict[str, Any] = json.loads(arrays[WORDS].tobytes())
    except (KeyError, ValueError) as error:
        raise PartnerError(
            "settings must be JSON, got something else (is it the same version at both ends?)"
        ) from error
    return settings


def _unpack(message: bytes, other: str) -> tuple[str, Arrays]:
    """Read a message: its kind, and the arrays by name."""
    try:
        arrays = load(message)
    except (SafetensorError, ValueError) as error:
        raise PartnerError(f"{other} must speak in safetensors, got something else") from error
    kinds = {name.partition("/")[0] for name in arrays}
    if len(kinds) != 1:
        raise PartnerError(f"{other} must send one kind at a time, got {', '.join(sorted(kinds)) or 'none'}")
    return kinds.pop(), {name.partition("/")[2]: array for name, array in arrays.items()}


def _check_address(address: str) -> None:
    """Refuse what is not of this machine, since nothing is encrypted."""
    host, _, port = address.rpartition(":")
    try:
        is_ours = host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        is_ours = False
    if not is_ours or not port.isdigit():
        raise ValueError(
            f"address must be HOST:PORT of this machine, such as 127.0.0.1:8765, got {address!r} "
            "(between two machines, lay a tunnel: ssh -L)"
        )
