"""Tuning of inverted lists for a recall: lists scanned for a query, and candidates ranked for each neighbour."""

import math
from collections.abc import Callable

from index.inverted import RECALL_K, InvertedLists

MARGIN = 0.25  # miss this share less than allowed, since the tracks that recall is measured on later may be harder
CODES_MARGIN = 0.4  # … and this share with 4-bit codes, where the cheapest of many settings is in part the luckiest
MOST_RANKED = 64  # candidates for each neighbour
MOST_PROBED = 4  # one list in so many: where 4-bit codes need more, it is for what they blur
CANDIDATE_COST = 64  # 4-bit codes that are compared in the time that a candidate takes to be fetched and ranked


def tune(lists: InvertedLists, recall_now: Callable[[], float], target: float, *, n_probe: int | None) -> None:
    """Set the `n_probe` and the `n_ranked` that reach a recall with a margin in the least time.

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
    lists.n_probe = n_probe or 1
    most_probed = n_probe or _most_probed(lists)
    if lists.n_bits < 16:
        _trade(lists, recall_now, target + CODES_MARGIN * (1 - target), most_probed)
        return
    lists.n_ranked = 1
    while lists.n_probe < most_probed and recall_now() < target + MARGIN * (1 - target):
        lists.n_probe = _a_tenth_more(lists.n_probe, most_probed)


def try_harder(lists: InvertedLists) -> bool:
    """Scan a tenth more lists, and rank a tenth more candidates of 4-bit codes; False where no more may be scanned."""
    if lists.n_probe >= _most_probed(lists):
        return False
    lists.n_probe = _a_tenth_more(lists.n_probe, _most_probed(lists))
    if lists.n_bits < 16:
        lists.n_ranked = _a_tenth_more(lists.n_ranked, MOST_RANKED)
    return True


def _trade(lists: InvertedLists, recall_now: Callable[[], float], wanted: float, most_probed: int) -> None:
    """Rank fewer and fewer candidates, and scan the lists that make up for that, as long as a query gets cheaper."""
    lists.n_ranked = MOST_RANKED
    best, least = None, math.inf
    while (cost := _cost(lists)) < least:
        if recall_now() >= wanted:
            best, least = (lists.n_probe, lists.n_ranked), cost
            lists.n_ranked = max(1, lists.n_ranked * 4 // 5)
        elif lists.n_probe < most_probed:
            lists.n_probe = _a_tenth_more(lists.n_probe, most_probed)
        else:
            break
    lists.n_probe, lists.n_ranked = best or (lists.n_probe, lists.n_ranked)


def _cost(lists: InvertedLists) -> float:
    """Estimate the time of a query, in 4-bit codes compared."""
    return lists.n_probe * len(lists) / lists.n_lists + CANDIDATE_COST * RECALL_K * lists.n_ranked


def _most_probed(lists: InvertedLists) -> int:
    return lists.n_lists if lists.n_bits == 16 else max(1, lists.n_lists // MOST_PROBED)


def _a_tenth_more(number: int, most: int) -> int:
    """Add a tenth, at least one, up to a limit."""
    return min(most, max(number + 1, number * 11 // 10))
