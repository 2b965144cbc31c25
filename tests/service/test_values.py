"""``/v1/tracks/{id}/value`` reads the sink of a stream while it is written."""

from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from audio_engine import Engine
from audio_engine.catalogue.api_tokens import TokenFile
from audio_engine.streaming.sink import COUNTS, HEAT_SCHEMA, SinkRecipe, open_sink, write_batch
from tests.service.serving import assert_problem, served


def heats(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(COUNTS, 0) | row for row in rows], schema=HEAT_SCHEMA)


@pytest.fixture
def sink(tmp_path: Path) -> Path:
    sink = tmp_path / "sink"
    open_sink(sink, SinkRecipe())
    write_batch(
        sink,
        0,
        heats(
            {"track": "log-1", "anchor_day": 7.0, "heat": 8.0, "plays": 10, "likes": 4, "purchases": 1},
            {"track": "log-2", "anchor_day": 14.0, "heat": 1.0, "plays": 90, "likes": 9},
        ),
    )
    return sink


def test_a_track_has_its_cooled_plays_its_counts_and_its_bonus(own: Path, sink: Path) -> None:
    with served(Engine.open(own), values=sink) as client:
        value = client.get("/v1/tracks/log-1/value", params={"weight": 0.5, "enough": 20}).json()
        assert (value["track_id"], value["at_day"], value["all_plays"]) == ("log-1", 14.0, 100)
        assert (value["plays"], value["likes"], value["purchases"], value["decayed_plays"]) == (10, 4, 1, 4.0)
        assert 0.1 < value["smoothed_rate"] < 0.4  # between both rates
        bonus = 0.5 * np.sqrt(2 * np.log(101) / 11)
        assert value["explored_value"] == pytest.approx(value["smoothed_rate"] + bonus)
        later = client.get("/v1/tracks/log-1/value", params={"at_day": 21}).json()
        assert (later["at_day"], later["decayed_plays"]) == (21.0, 2.0)
        earlier = client.get("/v1/tracks/log-1/value", params={"at_day": 13})
        assert "at_day must not be before the latest record" in assert_problem(earlier, 422, "invalid_request")

        write_batch(sink, 1, heats({"track": "log-1", "anchor_day": 14.0, "heat": 1.0, "plays": 1}))
        fresh = client.get("/v1/tracks/log-1/value").json()
        assert (fresh["plays"], fresh["decayed_plays"], fresh["all_plays"]) == (11, 5.0, 101)


def test_a_track_of_the_catalogue_that_nobody_played_has_the_bonus_alone(own: Path, sink: Path) -> None:
    with served(Engine.open(own), values=sink) as client:
        new = client.get("/v1/tracks").json()["tracks"][0]["track_id"]
        value = client.get(f"/v1/tracks/{new}/value").json()
        assert (value["plays"], value["decayed_plays"], value["all_plays"]) == (0, 0.0, 100)
        assert value["explored_value"] == pytest.approx(value["smoothed_rate"] + np.sqrt(2 * np.log(101)))
        assert_problem(client.get("/v1/tracks/0123456789ab/value"), 404, "unknown_track")


def test_without_a_sink_there_are_no_values(client: httpx.Client, own: Path, tmp_path: Path) -> None:
    assert_problem(client.get("/v1/tracks/log-1/value"), 503, "no_values")
    with served(Engine.open(own), values=tmp_path / "to come") as asking:
        assert_problem(asking.get("/v1/tracks/log-1/value"), 503, "no_values")
        open_sink(tmp_path / "to come", SinkRecipe())
        write_batch(tmp_path / "to come", 0, heats({"track": "log-1", "anchor_day": 1.0, "heat": 2.0, "plays": 2}))
        assert asking.get("/v1/tracks/log-1/value").json()["plays"] == 2


def test_values_need_a_token_to_read_where_there_are_tokens(own: Path, sink: Path) -> None:
    secret = TokenFile(own).add("the reader", "read")
    with served(Engine.open(own), values=sink) as client:
        assert_problem(client.get("/v1/tracks/log-1/value"), 401, "unauthorized")
        reply = client.get("/v1/tracks/log-1/value", headers={"authorization": f"Bearer {secret}"})
        assert reply.status_code == 200
