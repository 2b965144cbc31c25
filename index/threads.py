"""How many threads a search may take."""

import faiss


def keep_to_one_thread() -> None:
    """Let the searches of the calling thread keep to it, where many threads search at once.

    Else each starts threads of its own, which wait for one another at full speed: twice the processor time.
    """
    faiss.omp_set_num_threads(1)
