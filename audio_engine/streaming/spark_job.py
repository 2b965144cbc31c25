"""The job on Spark Structured Streaming: plays and events of a folder or of Kafka, counted and cooled by track.

Each micro-batch is cut, freed of duplicates and summed by Spark; what it adds to each track is written to the sink
under the batch's number. Spark's checkpoint keeps the offsets and the event ids of late. After a crash Spark runs the
same batch with the same records again, and the sink replaces what it had, so every record counts once.
"""

import json
import re
import shutil
import signal
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import polars as pl

from audio_engine.scoring.heat import as_of_latest, merge_heats
from audio_engine.streaming.records import COLUMN_TYPES, IS_USABLE, RECORD, TIME, added, anchored_day
from audio_engine.streaming.sink import SinkRecipe, open_sink, write_batch

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

KAFKA_PACKAGE = "org.apache.spark:spark-sql-kafka-0-10_2.13"
RECORDS_A_MB = 5_000  # of Kafka, of 200 bytes
PROGRESS_KEPT = 1_000  # batches whose progress Spark remembers
POLL_S = 0.5  # seconds between looks at the progress
FileFormat = Literal["parquet", "json"]
ROCKSDB = "spark.sql.streaming.stateStore.rocksdb"
SPARK_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.streaming.numRecentProgressUpdates": str(PROGRESS_KEPT),
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",  # which would double the batches to forget ids sooner
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"  # ids on disk, not in memory
    ),
    f"{ROCKSDB}.changelogCheckpointing.enabled": "true",
    f"{ROCKSDB}.boundedMemoryUsage": "true",
    f"{ROCKSDB}.maxMemoryUsageMB": "200",
}


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How a stream is run."""

    recipe: SinkRecipe = field(default_factory=SinkRecipe)
    watermark_hours: float = 24.0  # hours for which the id of a record is remembered
    file_format: FileFormat | None = None  # of a folder; None: as its first files show
    every_s: float | None = None  # seconds between batches; None: what is there now, and then stop
    batch_mb: float = 64.0  # megabytes of files, or 5,000 times as many records of Kafka, in a batch
    master: str = "local[*]"  # Spark's: which machines, how many cores
    memory: str = "1g"  # of the driver's JVM

    def __post_init__(self) -> None:
        for name in ("watermark_hours", "every_s", "batch_mb"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, got {value:g}")


@dataclass(frozen=True, kw_only=True)
class BatchReport:
    """What a batch did."""

    batch: int
    records: int  # read
    left_out: int  # cannot be used: no track, no time, an unknown action, from the future
    duplicates: int
    late: int  # behind the watermark, and dropped for it; none of a sink that keeps them
    remembered: int  # event ids that are known after it
    seconds: float


def stream_values(
    source: str, sink: Path, *, settings: StreamSettings | None = None, stop: Event | None = None
) -> Generator[BatchReport, None, None]:
    """Count a stream of plays and events into a sink.

    Parameters
    ----------
    source
        A folder of Parquet or JSON lines, with folders in it or not, into which whole files are moved; or
        ``kafka://HOST:PORT/TOPIC`` with a JSON object a message. Records as `audio_engine.streaming.records` has them.
    sink
        A folder; the stream goes on where it has left off.
    settings
        How it is run; the usual ones by default.
    stop
        Set to stop; a batch at work is then begun again next time.

    Yields
    ------
    report
        Of each batch, once it is in the sink.

    Raises
    ------
    ValueError
        When the sink has another recipe, or Java is missing.
    FileNotFoundError
        When there is no such folder.
    """
    settings, stop = settings or StreamSettings(), stop or Event()
    is_kafka = source.startswith("kafka://")
    if not is_kafka and not Path(source).is_dir():
        raise FileNotFoundError(f"source must be a folder or kafka://HOST:PORT/TOPIC, got {source}")
    open_sink(sink, settings.recipe)
    spark = start_spark(settings, with_kafka=is_kafka)
    raw = _kafka_records(spark, source, settings) if is_kafka else _file_records(spark, Path(source), settings)
    query = _start(distinct_records(raw, settings), sink, settings)
    try:
        yield from _reports(query, stop)
    finally:
        query.stop()


def start_spark(settings: StreamSettings, *, with_kafka: bool = False) -> "SparkSession":
    """Start Spark, or take the session that runs.

    Raises
    ------
    ValueError
        When Java is missing.
    """
    import pyspark  # noqa: PLC0415  (of the extra "stream")
    from pyspark.errors import PySparkRuntimeError  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    builder = SparkSession.builder.appName("audio-engine stream").master(settings.master)
    builder = builder.config("spark.driver.memory", settings.memory).config(map=dict(SPARK_SETTINGS))
    if with_kafka:
        builder = builder.config("spark.jars.packages", f"{KAFKA_PACKAGE}:{pyspark.__version__}")
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        spark = builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise ValueError(
            "java must be installed, 17 or newer, got none that starts (apt-get install default-jre-headless)"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, on_interrupt)  # PySpark has taken Ctrl-C for itself
    cores = spark.sparkContext.defaultParallelism
    spark.conf.set("spark.sql.shuffle.partitions", str(cores))  # a checkpoint keeps the number it began with
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def distinct_records(raw: "DataFrame", settings: StreamSettings) -> "DataFrame":
    """Leave out the records that cannot be used, counting them, and those whose event id is known already.

    A watermark over the time of the records drops those behind it; one over the time of their coming drops none, and
    forgets ids by when they came.
    """
    from pyspark.sql import functions as sql  # noqa: PLC0415

    records = raw.selectExpr(*(f"{expr} as {name}" for name, expr in RECORD.items()))
    records = records.withColumn("is_usable", sql.expr(IS_USABLE))
    records = records.observe("read", sql.count_if(~sql.col("is_usable")).alias("left_out")).filter("is_usable")
    clock = "current_timestamp()" if settings.recipe.late == "keep" else TIME
    watermark = f"{round(settings.watermark_hours * 3_600)} seconds"
    clocked = records.withColumn("clock", sql.expr(clock)).withWatermark("clock", watermark)
    return clocked.dropDuplicatesWithinWatermark(["event_id"])


def _file_records(spark: "SparkSession", source: Path, settings: StreamSettings) -> "DataFrame":
    """Read the files of a folder as a stream."""
    first_files = _first_files(source)
    if settings.file_format is None and not first_files:
        raise ValueError(f"file_format must be given for a folder that is empty yet, got none for {source}")
    is_parquet = settings.file_format == "parquet" or any(file.suffix == ".parquet" for file in first_files)
    types = dict(COLUMN_TYPES)
    if is_parquet:
        for file in first_files:
            found = spark.read.parquet(_literal(file)).schema
            types |= {column.name: column.dataType.simpleString() for column in found if column.name in types}
    reader = spark.readStream.schema(", ".join(f"{name} {kind}" for name, kind in types.items()))
    reader = reader.option("recursiveFileLookup", "true")
    reader = reader.option("maxBytesPerTrigger", str(round(settings.batch_mb * 1e6)))
    raw = reader.format("parquet" if is_parquet else "json").load(_literal(source))
    seconds = "unix_micros(timestamp) / 1e6" if types["timestamp"].startswith("timestamp") else "timestamp"
    given = {name: seconds if name == "timestamp" else name for name in types}
    return raw.selectExpr(*(f"cast({expr} as {COLUMN_TYPES[name]}) as {name}" for name, expr in given.items()))


def _first_files(source: Path) -> list[Path]:
    """Find a file of each folder, from which the types of its columns are read."""
    folders = [source, *(path for path in source.rglob("*") if path.is_dir())]
    files = (
        next((file for file in folder.iterdir() if file.is_file() and file.name[0] not in "._"), None)
        for folder in folders
    )
    return [file for file in files if file is not None]


def _literal(path: Path) -> str:
    """Write a path so that Spark takes ``*``, ``[`` and the like in it for what they are."""
    return re.sub(r"([*?{}\[\]\\])", r"\\\1", str(path))


def _kafka_records(spark: "SparkSession", source: str, settings: StreamSettings) -> "DataFrame":
    """Read a topic as a stream."""
    from pyspark.sql import functions as sql  # noqa: PLC0415

    address = urlsplit(source)
    if not address.netloc or not address.path.strip("/"):
        raise ValueError(f"source must be a folder or kafka://HOST:PORT/TOPIC, got {source}")
    reader = spark.readStream.format("kafka").option("kafka.bootstrap.servers", address.netloc)
    reader = reader.option("subscribe", address.path.strip("/")).option("startingOffsets", "earliest")
    messages = reader.option("maxOffsetsPerTrigger", str(round(settings.batch_mb * RECORDS_A_MB))).load()
    schema = ", ".join(f"{name} {kind}" for name, kind in COLUMN_TYPES.items())
    return messages.select(sql.from_json(sql.col("value").cast("string"), schema).alias("record")).select("record.*")


def _start(records: "DataFrame", sink: Path, settings: StreamSettings) -> "StreamingQuery":
    """Start the query."""
    half_life = settings.recipe.half_life_days

    def write(batch: "DataFrame", number: int) -> None:
        """Sum a batch, and write what it adds to each track."""
        staging = sink / ".staging"  # by which tables of a million tracks go round Python's objects
        by_anchor = batch.selectExpr("*", f"{anchored_day(half_life)} as anchor_day").groupBy("track", "anchor_day")
        sums = by_anchor.agg(*_expressions(added(half_life)))
        sums.write.mode("overwrite").parquet(str(staging))
        write_batch(sink, number, _as_of_latest(staging, half_life))
        shutil.rmtree(staging)

    writer = records.writeStream.foreachBatch(write).option("checkpointLocation", str(sink / "checkpoint"))
    if settings.every_s is None:
        return writer.trigger(availableNow=True).start()
    return writer.trigger(processingTime=f"{settings.every_s} seconds").start()


def _expressions(columns: dict[str, str]) -> list[Any]:
    """Write columns as Spark has them."""
    from pyspark.sql import functions as sql  # noqa: PLC0415

    return [sql.expr(expr).alias(name) for name, expr in columns.items()]


def _as_of_latest(staging: Path, half_life_days: float) -> pl.DataFrame:
    """Merge the rows of a track, each carried from its anchor to the latest record."""
    rows = pl.scan_parquet(sorted(staging.glob("*.parquet")), glob=False)
    heats = as_of_latest(rows, half_life_days=half_life_days)
    return merge_heats([heats], half_life_days=half_life_days).collect(engine="streaming")


def _reports(query: "StreamingQuery", stop: Event) -> Iterator[BatchReport]:
    """Give the report of each batch as it is done, until the query ends or is to stop."""
    last, is_running = -1, True
    while is_running:
        is_running = not query.awaitTermination(POLL_S) and not stop.is_set()
        for progress in query.recentProgress:
            if progress["batchId"] > last and progress["numInputRows"]:
                last = progress["batchId"]
                yield _report(progress)


def _report(progress: Any) -> BatchReport:
    """Read a report out of Spark's progress."""
    told = json.loads(progress.json)
    (state,) = told["stateOperators"]
    return BatchReport(
        batch=told["batchId"],
        records=told["numInputRows"],
        left_out=told["observedMetrics"]["read"]["left_out"],
        duplicates=state["customMetrics"].get("numDroppedDuplicateRows", 0),
        late=state["numRowsDroppedByWatermark"],
        remembered=state["numRowsTotal"],
        seconds=told["durationMs"]["triggerExecution"] / 1e3,
    )
