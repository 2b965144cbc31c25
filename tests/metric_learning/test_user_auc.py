import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from metric_learning import user_auc
from metric_learning.user_auc import cell_similarities, mean_user_auc


def test_the_mean_auc_agrees_with_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    similarity = torch.randn(6, 40, generator=generator)
    feedback = torch.randint(-1, 2, (6, 40), generator=generator)
    expected = [
        roc_auc_score(feedback[i][feedback[i] != 0] > 0, similarity[i][feedback[i] != 0]) for i in range(len(feedback))
    ]
    user, track = feedback.nonzero(as_tuple=True)
    auc = mean_user_auc(similarity[user, track], user, feedback[user, track] > 0)
    assert float(auc) == pytest.approx(np.mean(expected))
    nothing = torch.zeros(0, dtype=torch.int64)
    assert float(mean_user_auc(torch.zeros(0), nothing, nothing > 0)) == 0.5


def test_cells_of_a_table_of_similarities_are_those_of_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_auc, "CELLS_TOGETHER", 7)
    generator = torch.Generator().manual_seed(0)
    users, tracks = torch.randn(6, 5, generator=generator), torch.randn(40, 5, generator=generator)
    user, track = torch.randint(6, (50,), generator=generator), torch.randint(40, (50,), generator=generator)
    found = cell_similarities(users, tracks, user=user, track=track)
    assert torch.allclose(found, (users @ tracks.T)[user, track])
