"""Records of a stream, in the words of Spark SQL: which are usable, when they were made, and what they add to a track.

A record is a play or an event. A play has ``event_id``, ``user``, ``track``, a time (``day``, days, or ``timestamp``,
seconds since 1970) and maybe ``action``, ``completion`` and ``played_s``, as in a play log; an event has a ``kind`` in
their place. The rules are those of `audio_engine.plays.validation`: what that leaves out of a log is left out here.
"""

from collections.abc import Mapping

COLUMN_TYPES: Mapping[str, str] = {
    "event_id": "string",  # of a record, the same in each of its copies
    "user": "string",
    "track": "string",
    "day": "double",  # days, since 1970 or since whatever the log counts from
    "timestamp": "double",  # seconds since 1970, in place of a day
    "completion": "double",  # 0 to 1
    "played_s": "double",  # seconds
    "action": "string",  # of a play: like, favourite, dislike, skip, none
    "kind": "string",  # of an event: favourite, share, purchase, subscribe
}
ACTIONS = {"likes": "like", "dislikes": "dislike", "skips": "skip"}  # counts of plays
KINDS = {"favourites": "favourite", "shares": "share", "purchases": "purchase", "subscribes": "subscribe"}
MAX_AHEAD_DAYS = 1.0  # days by which the clock of a player may be ahead; what comes from later is left out

RECORD = {  # columns of a record, from those that came in
    "event_id": "coalesce(event_id, concat_ws(' ', user, track, day, timestamp, action, kind))",
    "user": "nullif(user, '')",
    "track": "nullif(track, '')",
    "day": "coalesce(day, timestamp / 86400)",
    "completion": "coalesce(completion, 1)",
    "played_s": "coalesce(played_s, 0)",
    "action": """case when action is null or trim(action) = '' then 'none'
        when lower(trim(action)) in ('favourite', 'favorite') then 'like' else lower(trim(action)) end""",
    "kind": "nullif(lower(trim(kind)), '')",
}
LATEST_DAY = f"unix_micros(current_timestamp()) / 86400e6 + {MAX_AHEAD_DAYS}"
IS_USABLE = f"""
    user is not null and track is not null and coalesce(day between 0 and {LATEST_DAY}, false)
    and case when kind is null
        then action in ('like', 'dislike', 'skip', 'none') and completion between 0 and 1 and played_s >= 0
        else kind in ({", ".join(f"'{kind}'" for kind in KINDS.values())}) end
"""
TIME = "timestamp_micros(cast(day * 86400e6 as bigint))"


def anchored_day(half_life_days: float) -> str:
    """Say how a day is rounded down to a multiple of the half-life, from which heat can be summed in one pass."""
    return f"floor(day / {half_life_days!r}D) * {half_life_days!r}D"


def added(half_life_days: float) -> dict[str, str]:
    """Say what the records of one track and anchored day add to it, by column of the sink."""
    is_play = "kind is null"
    return {
        "latest_day": "max(day)",
        "heat": f"sum(if({is_play}, pow(2D, (day - anchor_day) / {half_life_days!r}D), 0D))",
        "plays": f"count_if({is_play})",
        **{name: f"count_if({is_play} and action = '{action}')" for name, action in ACTIONS.items()},
        **{name: f"count_if(kind = '{kind}')" for name, kind in KINDS.items()},
    }
