-- The job of audio_engine/streaming/spark_job.py in Flink SQL: plays and events, counted and cooled by track.
--
-- What stands in braces after a dollar sign is filled in by flink_job.py. For Kafka give the two tables its connectors, the rest stays as it is:
--   records       'connector' = 'kafka', 'topic' = 'plays', 'properties.bootstrap.servers' = 'HOST:9092',
--                 'format' = 'json', 'scan.startup.mode' = 'group-offsets', 'properties.group.id' = 'track_values',
--                 'properties.auto.offset.reset' = 'earliest'
--   track_values  'connector' = 'upsert-kafka', 'topic' = 'track_values', 'properties.bootstrap.servers' = 'HOST:9092',
--                 'key.format' = 'json', 'value.format' = 'json', 'sink.delivery-guarantee' = 'exactly-once',
--                 'sink.transactional-id-prefix' = 'track_values'
--
-- The heat of a track is the sum of 2^((day - anchor_day) / half-life) over its plays (forward decay), with one anchor
-- for all tracks that stays as long as the job does: choose the day on which the job begins. Numbers of double
-- precision hold it for a thousand half-lives after the anchor; with a half-life of seven days, nineteen years.

SET 'execution.runtime-mode' = 'streaming';
SET 'execution.checkpointing.interval' = '${checkpoint_interval}';
SET 'execution.checkpointing.mode' = 'EXACTLY_ONCE';
SET 'execution.checkpointing.dir' = '${checkpoints}';
SET 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION';
SET 'state.backend.type' = 'rocksdb';
SET 'table.exec.state.ttl' = '${watermark_hours} h'; -- for which event ids are remembered
SET 'table.exec.mini-batch.enabled' = 'true'; -- one new row a track for some thousand records
SET 'table.exec.mini-batch.allow-latency' = '5 s';
SET 'table.exec.mini-batch.size' = '50000';
SET 'table.local-time-zone' = 'UTC';

CREATE TABLE records (
    event_id STRING,
    `user` STRING,
    track STRING,
    `day` DOUBLE,
    `timestamp` DOUBLE,
    completion DOUBLE,
    played_s DOUBLE,
    action STRING,
    kind STRING,
    arrived AS PROCTIME()
) WITH (
    'connector' = 'filesystem',
    'path' = '${source}',
    'format' = 'json',
    'json.ignore-parse-errors' = 'true'
    ${monitor}
);

CREATE TABLE track_values (
    track STRING,
    anchor_day DOUBLE,
    heat DOUBLE,
    latest_day DOUBLE,
    plays BIGINT,
    likes BIGINT,
    dislikes BIGINT,
    skips BIGINT,
    favourites BIGINT,
    shares BIGINT,
    purchases BIGINT,
    subscribes BIGINT,
    PRIMARY KEY (track) NOT ENFORCED
) WITH (
    'connector' = 'filesystem',
    'path' = '${sink}',
    'format' = 'debezium-json',
    'sink.rolling-policy.rollover-interval' = '1 min',
    'sink.rolling-policy.check-interval' = '10 s'
);

CREATE TEMPORARY VIEW named AS
SELECT
    COALESCE(event_id, CONCAT_WS(' ', `user`, track, CAST(`day` AS STRING), CAST(`timestamp` AS STRING), action, kind))
        AS event_id,
    NULLIF(`user`, '') AS `user`,
    NULLIF(track, '') AS track,
    COALESCE(`day`, `timestamp` / 86400) AS `day`,
    COALESCE(completion, 1) AS completion,
    COALESCE(played_s, 0) AS played_s,
    CASE WHEN action IS NULL OR TRIM(action) = '' THEN 'none'
        WHEN LOWER(TRIM(action)) IN ('favourite', 'favorite') THEN 'like' ELSE LOWER(TRIM(action)) END AS action,
    NULLIF(LOWER(TRIM(kind)), '') AS kind,
    arrived
FROM records;

CREATE TEMPORARY VIEW usable AS
SELECT * FROM named
WHERE `user` IS NOT NULL AND track IS NOT NULL
    AND `day` BETWEEN 0 AND UNIX_TIMESTAMP() / 86400E0 + 1
    AND CASE WHEN kind IS NULL
        THEN action IN ('like', 'dislike', 'skip', 'none') AND completion BETWEEN 0 AND 1 AND played_s >= 0
        ELSE kind IN ('favourite', 'share', 'purchase', 'subscribe') END;

CREATE TEMPORARY VIEW distinct_records AS
SELECT track, `day`, action, kind
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY arrived ASC) AS copy FROM usable
)
WHERE copy = 1;

INSERT INTO track_values
SELECT /*+ STATE_TTL('distinct_records' = '${for_ever}') */
    track,
    ${anchor_day} AS anchor_day,
    SUM(CASE WHEN kind IS NULL THEN POWER(2E0, (`day` - ${anchor_day}) / ${half_life_days}) ELSE 0E0 END) AS heat,
    MAX(`day`) AS latest_day,
    COUNT(*) FILTER (WHERE kind IS NULL) AS plays,
    COUNT(*) FILTER (WHERE kind IS NULL AND action = 'like') AS likes,
    COUNT(*) FILTER (WHERE kind IS NULL AND action = 'dislike') AS dislikes,
    COUNT(*) FILTER (WHERE kind IS NULL AND action = 'skip') AS skips,
    COUNT(*) FILTER (WHERE kind = 'favourite') AS favourites,
    COUNT(*) FILTER (WHERE kind = 'share') AS shares,
    COUNT(*) FILTER (WHERE kind = 'purchase') AS purchases,
    COUNT(*) FILTER (WHERE kind = 'subscribe') AS subscribes
FROM distinct_records
GROUP BY track;
