"""Tuning of inverted lists for a recall: lists scanned for a query, and candidates ranked for each neighbour."""

from collections.abc import Callable

from index.inverted import InvertedLists

MARGIN = 0.25  # miss this share less than allowed, since the tracks that recall is measured on later may be harder
LISTS_MARGIN = 0.5  # … and this share by the lists alone, where the codes in them miss some as well
MOST_RANKED = 32  # candidates for each neighbour


def tune(lists: InvertedLists, recall_now: Callable[[], float], target: float, *, n_probe: int | None) -> None:
    """Set the least `n_probe`, and then the least `n_ranked`, that reach a recall with a margin.

    Parameters
    ----------
    lists
        Changed in place. Lists of 16-bit floats keep their `n_ranked` of 1.
    recall_now
        Measures the recall of the lists as they are set.
    target
        recall_at_k in (0, 1].
    n_probe
        By default chosen.
    """
    is_coarse = lists.n_bits < 16
    margin = LISTS_MARGIN if is_coarse else MARGIN
    lists.n_probe, lists.n_ranked = n_probe or 1, MOST_RANKED if is_coarse else 1
    while n_probe is None and lists.n_probe < lists.n_lists and recall_now() < _with_margin(target, margin):
        lists.n_probe = _a_tenth_more(lists.n_probe, lists.n_lists)
    lists.n_ranked = 1
    while is_coarse and lists.n_ranked < MOST_RANKED and recall_now() < _with_margin(target, MARGIN):
        lists.n_ranked = _a_tenth_more(lists.n_ranked, MOST_RANKED)


def try_harder(lists: InvertedLists) -> None:
    """Scan a tenth more lists, and rank a tenth more candidates of those that are compared by codes."""
    lists.n_probe = _a_tenth_more(lists.n_probe, lists.n_lists)
    if lists.n_bits < 16:
        lists.n_ranked = _a_tenth_more(lists.n_ranked, MOST_RANKED)


def _with_margin(target: float, margin: float) -> float:
    return target + margin * (1 - target)


def _a_tenth_more(number: int, most: int) -> int:
    """Add a tenth, at least one, up to a limit."""
    return min(most, max(number + 1, number * 11 // 10))
