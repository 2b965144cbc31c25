"""OpenAPI conformance: requests generated from the schema, valid or invalid, get the documented answers."""

import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from audio_engine import Engine
from audio_engine.streaming.sink import SinkRecipe, open_sink
from tests.genre_world import play
from tests.service.serving import PATIENCE_S, flac, served

N_EXAMPLES = 15  # a route
MAX_QUERY = 4_000  # letters; a head of more than 64 kB uvicorn refuses by itself, and hangs up
N_MUTATED = 500
NOT_CHECKED = [
    ignored_auth,  # tokens are needed only once there are any
    positive_data_acceptance,  # of what a schema allows (ids that nobody has, bytes that are no sound) most is refused
]


@pytest.fixture(scope="module")
def changed(genre_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service without tokens, on a catalogue that tests may change."""
    directory = shutil.copytree(genre_world / "trained", tmp_path_factory.mktemp("changed") / "catalogue")
    open_sink(directory.parent / "sink", SinkRecipe())  # without one, its route answers 503, rightly
    with served(Engine.open(directory), values=directory.parent / "sink") as client:
        yield client


@pytest.fixture(scope="module")
def api(changed: httpx.Client) -> Any:
    return schemathesis.openapi.from_url(f"{changed.base_url}/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_route_keeps_to_the_openapi(api: Any, mode: GenerationMode) -> None:
    checked, failures = [], []
    for operation in (found.ok() for found in api.get_all_operations()):

        @settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            assume(len(repr(case.query)) < MAX_QUERY)
            case.call_and_validate(excluded_checks=NOT_CHECKED, timeout=PATIENCE_S)

        try:
            check()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # a route that takes nothing can be asked nothing wrong
            continue
        except BaseExceptionGroup as failure:
            failures.append(failure)
        checked.append(operation.label)
    assert not failures, "\n\n".join(map(str, failures))
    assert "POST /v1/similar" in checked
    assert "GET /v1/tracks/{track_id}/audio" in checked


def test_every_route_is_in_the_openapi_with_its_problems(changed: httpx.Client) -> None:
    described = changed.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    paths = described["paths"]
    assert {path.split("/")[1] for path in paths} == {"v1", "healthz", "readyz", "metrics"}  # what we define
    for path in ("/v1/similar", "/v1/embed", "/v1/recall", "/v1/users-for", "/v1/tracks", "/v1/genre"):
        operation = paths[path]["post"]
        assert operation["requestBody"]["content"], path
        assert operation["responses"]["401"]["content"] == operation["responses"]["422"]["content"]
    example = paths["/v1/similar"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert changed.post("/v1/similar", json=example).status_code == 404  # well asked, of a track that is not there


@pytest.mark.slow
def test_mutated_sounds_are_answered_or_refused(changed: httpx.Client) -> None:
    rng = random.Random(0)
    whole = flac(play("Drums", 7, 7))

    def mutated(number: int) -> bytes:
        content = bytearray(whole)
        for _ in range(rng.choice((1, 3, 30, 300))):
            content[int(len(content) * rng.random() ** 3)] = rng.randrange(256)  # the head most of all
        return bytes(content[: rng.randrange(len(content))] if number % 3 == 0 else content)

    def ask(content: bytes) -> int:
        return changed.post("/v1/embed", files={"file": ("song.flac", content)}).status_code

    with ThreadPoolExecutor(6) as threads:
        statuses = [*threads.map(ask, [mutated(number) for number in range(N_MUTATED)])]
    assert set(statuses) <= {200, 413, 415}
    assert (
        min(statuses.count(200), statuses.count(415)) > N_MUTATED / 20
    )  # both happen: the mutations are neither mild nor wild
    assert changed.post("/v1/embed", files={"file": ("song.flac", whole)}).status_code == 200
