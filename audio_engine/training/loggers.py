"""Lightning loggers of a training: some by name, any other as its user made it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

LoggerName = Literal["tensorboard", "csv", "none"]
Metrics = Mapping[str, float]


def open_loggers(loggers: Sequence[Logger | str], folder: Path) -> tuple[Logger, ...]:
    """Make the loggers that are asked for by name.

    Parameters
    ----------
    loggers
        Of Lightning, as they are; or ``tensorboard``, ``csv``, and ``none`` for none.
    folder
        Where those by name write: ``tensorboard/``, ``csv/``, in each a folder a run.

    Raises
    ------
    ValueError
        When there is none of a name.
    """
    made: list[Logger] = []
    for each in loggers:
        match each:
            case "csv":
                made.append(CSVLogger(folder, name=each))
            case "tensorboard":
                made.append(TensorBoardLogger(folder, name=each))
            case "none":
                pass
            case str():
                raise ValueError(f"logger must be one of {', '.join(get_args(LoggerName))}, got {each!r}")
            case _:
                made.append(each)
    return tuple(made)


def log_to(loggers: Sequence[Logger], part: str) -> Callable[[Metrics, int], None]:
    """Return a function that logs measures of a part of training, at a step."""

    def log(metrics: Metrics, step: int) -> None:
        for each in loggers:
            each.log_metrics({f"{part}/{name}": value for name, value in metrics.items()}, step)
            each.save()

    return log
