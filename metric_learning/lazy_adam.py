"""Lazy Adam: an optimiser for tables of vectors whose step reads and writes only the rows it has gradients of."""

from collections.abc import Sequence

import torch
from torch import Tensor

BETAS = (0.9, 0.999)  # decay of the first and the second moment, in each step that touches the row
EPSILON = 1e-8


class LazyAdam:
    """Adam for tables of which a step touches few rows; its cost does not know how long they are.

    Where every step touches every row, it is Adam. Where not, a row's moments stand still between the steps that touch
    it, while Adam would go on moving it.

    Parameters
    ----------
    tables
        Each (n_rows, any), changed in place; of one length.
    learning_rate
        As Adam's.

    References
    ----------
    D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1. Moments by row as in
    ``torch.optim.SparseAdam``, which sorts the gradients once more in every step; it took twice as long here.
    """

    def __init__(self, tables: Sequence[Tensor], *, learning_rate: float) -> None:
        self.tables = tuple(table.detach() for table in tables)
        self.learning_rate = learning_rate
        self.mean = tuple(map(torch.zeros_like, self.tables))
        self.square = tuple(map(torch.zeros_like, self.tables))
        self.n_steps = 0

    def read(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Copy some rows of each table, for a loss to be derived by.

        Parameters
        ----------
        rows : (n,)
            Each row once.

        Returns
        -------
        vectors : (n, any) for each table
        """
        return tuple(table.index_select(0, rows).requires_grad_() for table in self.tables)

    @torch.no_grad()
    def step(self, rows: Tensor, vectors: Sequence[Tensor]) -> None:
        """Move some rows against their gradients.

        Parameters
        ----------
        rows : (n,)
            Each row once.
        vectors
            What `read` gave for them, with gradients.
        """
        self.n_steps += 1
        first, second = BETAS
        correction = (1 - second**self.n_steps) ** 0.5
        rate = self.learning_rate * correction / (1 - first**self.n_steps)
        for table, means, squares, vector in zip(self.tables, self.mean, self.square, vectors, strict=True):
            if vector.grad is None:
                continue
            mean = means.index_select(0, rows).lerp_(vector.grad, 1 - first)
            square = squares.index_select(0, rows).mul_(second).addcmul_(vector.grad, vector.grad, value=1 - second)
            means.index_copy_(0, rows, mean)
            squares.index_copy_(0, rows, square)
            moved = vector.detach().addcdiv_(mean, square.sqrt_().add_(EPSILON * correction), value=-rate)
            table.index_copy_(0, rows, moved)

    def state_dict(self) -> dict[str, object]:
        """Take what a training needs to go on; the tables are the caller's."""
        return {"mean": list(self.mean), "square": list(self.square), "n_steps": self.n_steps}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Put back what `state_dict` took."""
        self.mean, self.square = tuple(state["mean"]), tuple(state["square"])  # type: ignore[arg-type]
        self.n_steps = int(state["n_steps"])  # type: ignore[call-overload]
