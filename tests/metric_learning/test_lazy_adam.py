import pytest
import torch

from metric_learning.lazy_adam import LazyAdam

N_ROWS = 12


def start() -> torch.Tensor:
    return torch.randn(N_ROWS, 3, generator=torch.Generator().manual_seed(0))


def rows_of(step: int, n: int) -> torch.Tensor:
    return torch.randperm(N_ROWS, generator=torch.Generator().manual_seed(step))[:n]


def loss_of(vectors: torch.Tensor) -> torch.Tensor:
    return (vectors.sin() * vectors).sum()


def trained(n_touched: int) -> torch.Tensor:
    table = start()
    optimiser = LazyAdam([table], learning_rate=0.1)
    for step in range(20):
        rows = rows_of(step, n_touched)
        vectors = optimiser.read(rows)
        loss_of(vectors[0]).backward()
        optimiser.step(rows, vectors)
    return table


def test_it_is_adam_where_every_step_touches_every_row() -> None:
    table = torch.nn.Parameter(start())
    adam = torch.optim.Adam([table], lr=0.1)
    for _ in range(20):
        adam.zero_grad()
        loss_of(table).backward()
        adam.step()
    torch.testing.assert_close(trained(N_ROWS), table.detach())


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
def test_it_is_sparse_adam_where_a_step_touches_few_rows() -> None:
    table = torch.nn.Embedding(N_ROWS, 3, sparse=True)
    table.weight.data.copy_(start())
    adam = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    for step in range(20):
        adam.zero_grad()
        loss_of(table(rows_of(step, 4))).backward()
        adam.step()
    torch.testing.assert_close(trained(4), table.weight.detach())


def test_a_row_that_no_step_touches_stays() -> None:
    table = start()
    optimiser = LazyAdam([table], learning_rate=0.1)
    for _ in range(3):
        vectors = optimiser.read(torch.tensor([2, 5]))
        loss_of(vectors[0]).backward()
        optimiser.step(torch.tensor([2, 5]), vectors)
    is_as_before = (table == start()).all(1)
    assert is_as_before.tolist() == [row not in {2, 5} for row in range(N_ROWS)]
