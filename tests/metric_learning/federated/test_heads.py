"""MMoE and PLE against those of torch-rechub, with the same weights."""

import pytest
import torch

from metric_learning.federated.heads import ExtractedMixture, MultiGateMixture, make_head
from metric_learning.federated.recipe import FederatedRecipe

multi_task = pytest.importorskip("torch_rechub.models.multi_task")
from torch_rechub.basic.features import DenseFeature  # noqa: E402

N_INPUTS, N_TASKS, WIDTH = 6, 3, 5
FEATURES = [DenseFeature(f"x{i}") for i in range(N_INPUTS)]
EXPERT = {"dims": [WIDTH], "activation": "relu", "dropout": 0.0}


def copy_linear(ours: torch.nn.Linear, theirs: torch.nn.Module) -> None:
    """Give theirs our weights; their batch normalisation, fresh and in evaluation, only divides by sqrt(1 + 1e-5)."""
    theirs.mlp[0].load_state_dict(ours.state_dict())
    if len(theirs.mlp) > 1 and isinstance(theirs.mlp[1], torch.nn.BatchNorm1d):
        theirs.mlp[1].running_var.fill_(1 - 1e-5)


def outputs_of(theirs: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Read what goes into the towers of their model."""
    seen = []
    for tower in theirs.towers:
        tower.register_forward_hook(lambda _, arguments, __: seen.append(arguments[0]))
    theirs.eval()({f"x{i}": inputs[:, i] for i in range(N_INPUTS)})
    return torch.stack(seen, 1)


def test_mmoe_equals_that_of_rechub() -> None:
    torch.manual_seed(0)
    ours = MultiGateMixture(N_INPUTS, n_tasks=N_TASKS, n_experts=4, width=WIDTH)
    theirs = multi_task.MMOE(FEATURES, ["classification"] * N_TASKS, 4, EXPERT, [{"dims": []}] * N_TASKS)
    for expert, other in zip(ours.experts, theirs.experts, strict=True):
        copy_linear(expert[0], other)
    for gate, other in zip(ours.gates, theirs.gates, strict=True):
        copy_linear(gate, other)
    inputs = torch.randn(7, N_INPUTS)
    torch.testing.assert_close(ours(inputs), outputs_of(theirs, inputs), atol=1e-5, rtol=1e-5)


def test_ple_equals_that_of_rechub() -> None:
    torch.manual_seed(1)
    ours = ExtractedMixture(N_INPUTS, n_tasks=N_TASKS, n_shared=2, width=WIDTH)
    theirs = multi_task.PLE(FEATURES, ["classification"] * N_TASKS, 1, 1, 2, EXPERT, [{"dims": []}] * N_TASKS)
    layer = theirs.cgc_layers[0]
    for mine, others in ((ours.own, layer.experts_specific), (ours.shared, layer.experts_shared)):
        for expert, other in zip(mine, others, strict=True):
            copy_linear(expert[0], other)
    for gate, other in zip(ours.gates, layer.gates_specific, strict=True):
        copy_linear(gate, other)
    inputs = torch.randn(7, N_INPUTS)
    torch.testing.assert_close(ours(inputs), outputs_of(theirs, inputs), atol=1e-5, rtol=1e-5)


def test_a_task_of_ple_reads_no_expert_of_another() -> None:
    head = make_head(FederatedRecipe(n_tracks=1, head="ple"), n_inputs=4, n_tasks=2)
    inputs = torch.randn(3, 4)
    before = head(inputs)[:, 0]
    with torch.no_grad():
        head.own[1][0].weight.add_(1.0)
    assert torch.equal(head(inputs)[:, 0], before)


@pytest.mark.parametrize(("name", "value"), [("head", "one"), ("width", 0), ("dropout", 1.0)])
def test_a_recipe_names_what_is_wrong(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        FederatedRecipe(**{"n_tracks": 1, name: value})
