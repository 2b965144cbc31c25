"""Time left of a long run, by the pace so far."""

import time
from datetime import timedelta


class TimeLeft:
    """Tells how long a run will still take.

    Parameters
    ----------
    total
        Steps of the whole run.
    done
        Steps done before, in an earlier run.
    """

    def __init__(self, *, total: int, done: int = 0) -> None:
        self.total, self.done_before = total, done
        self.began_s = time.monotonic()

    def after(self, done: int) -> str:
        """Say it, as hours, minutes and seconds.

        Parameters
        ----------
        done
            Steps done by now, those of an earlier run among them.
        """
        pace_s = (time.monotonic() - self.began_s) / max(done - self.done_before, 1)
        return f"{timedelta(seconds=round(pace_s * (self.total - done)))} left"
