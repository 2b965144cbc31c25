"""Thread count of a search."""

import faiss


def keep_to_one_thread() -> None:
    """Run the calling thread's searches on that thread alone, for callers that search in many threads at once.

    Otherwise each search starts threads of its own, which busy-wait for one another: twice the processor time.
    """
    faiss.omp_set_num_threads(1)
