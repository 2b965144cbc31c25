"""What each party can read at the cut, with and without guards, and what the guards cost.

``python -m tests.benchmarks.first_day.leakage --help``. Users of the log are made late, as for every choice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from torch import Tensor

from audio_engine.cli.options import AsJson
from audio_engine.cli.printing import number, put_json, put_table
from audio_engine.federated.privacy import epsilon, n_crossings
from metric_learning.federated.draws import DrawnStep, PlayDraws
from metric_learning.federated.leakage import direction_auc, norm_auc, reconstruction
from metric_learning.federated.learner import Learner, make_model
from metric_learning.federated.partner import PartnerLearner, make_partner_tower
from metric_learning.federated.recipe import FederatedRecipe, FederatedTraining, PartnerRecipe
from tests.benchmarks.first_day.data import FirstDay, read_artificial
from tests.benchmarks.first_day.methods import scorer_of
from tests.benchmarks.first_day.scores import score_users

LAST = 100  # steps that are attacked
SETTINGS: dict[str, dict[str, object]] = {
    "one play a row": {"n_targets": 1},
    "one play a row, max-norm": {"n_targets": 1, "guard": "max-norm"},
    "one play a row, Marvell": {"n_targets": 1, "guard": "marvell"},
    "eight plays a row": {},
    "eight plays a row, max-norm": {"guard": "max-norm"},
    "eight plays a row, Marvell": {"guard": "marvell"},
    "noise 0.5": {"noise_multiplier": 0.5},
    "noise 2": {"noise_multiplier": 2.0},
    "noise 10": {"noise_multiplier": 10.0},
}


@dataclass(kw_only=True)
class Eavesdropper:
    """The partner, as far as it keeps what it sees."""

    row_at_partner: np.ndarray
    n_known: int
    sums: np.ndarray = field(init=False)
    by_step: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sums = np.zeros((self.n_known, 16))

    def listen(self, gradients: Tensor, step: DrawnStep) -> None:
        """Keep the gradients of a step."""
        rows = self.row_at_partner[step.users]
        seen = gradients.numpy()
        self.sums[rows[rows >= 0]] += seen
        self.by_step.append((seen, step.is_positive.numpy()[rows >= 0]))

    def label_aucs(self) -> tuple[float, float]:
        """Attack the labels of the last steps: by length, by direction."""
        attacked = self.by_step[-LAST:]
        return tuple(float(np.mean([attack(*each) for each in attacked])) for attack in (norm_auc, direction_auc))  # type: ignore[return-value]


def main(  # noqa: PLR0917  (a file each)
    plays: Annotated[Path, typer.Option(help="Plays to learn from.")],
    users: Annotated[Path, typer.Option(help="Users with demographics.")],
    partner: Annotated[Path, typer.Option(help="The partner's features.")],
    vectors: Annotated[Path, typer.Option(help='What "audio-engine export" wrote of the tracks.')],
    artificial: Annotated[int, typer.Option(help="So many users are made late.")] = 1200,
    steps: Annotated[int, typer.Option(help="Of training.")] = 400,
    settings: Annotated[str, typer.Option(help="Only settings whose name has this in it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Attack the cut under each guard, and say what the guard costs."""
    day = read_artificial(plays=plays, users=users, partner=partner, vectors=vectors, n_late=artificial, seed=0)
    rows = []
    for row in attack_all(day, steps=steps, settings=settings):
        rows.append(row)
        if as_json:
            put_json(row)
    if not as_json:
        put_table(list(rows[0]), [[number(each) for each in row.values()] for row in rows])


def attack_all(day: FirstDay, *, steps: int, settings: str) -> Iterator[dict[str, float | str]]:
    """Train under each setting, and attack."""
    like_rate = _like_rates(day)
    for name, changed in SETTINGS.items():
        if settings not in name:
            continue
        training = FederatedTraining(n_steps=steps, **changed)  # type: ignore[arg-type]
        recipe = FederatedRecipe(n_tracks=day.n_tracks, categories=day.n_values)
        tower = make_partner_tower(PartnerRecipe(n_features=day.features.shape[1]), seed=0)
        partner = PartnerLearner(day.features, tower, training)
        spy = Eavesdropper(row_at_partner=day.row_at_partner, n_known=len(day.features))
        model, draws = make_model(recipe, seed=0), _draws(day, recipe)
        learner = Learner(
            model,
            draws,
            vectors=day.vectors,
            row_at_partner=day.row_at_partner,
            partner=partner,
            training=training,
        )
        learner.train(on_gradients=spy.listen)
        by_norm, by_direction = spy.label_aucs()
        asked = np.intersect1d(np.flatnonzero(day.row_at_partner >= 0), np.unique(day.plays.user))
        rows = day.row_at_partner[asked]
        features = day.features[rows].numpy()
        target = like_rate[asked][:, None]
        shown = day.first_plays(0)
        scores = scorer_of(day, model, recipe, partner, name="federated")(shown)["federated"]
        known = day.row_at_partner[day.late] >= 0
        yield {
            "setting": name,
            "label AUC by length": by_norm,
            "label AUC by direction": by_direction,
            "like rate from features, R²": reconstruction(features, target),
            "like rate from features and gradients, R²": reconstruction(np.hstack([features, spy.sums[rows]]), target),
            "features from activations, R²": reconstruction(partner.activations(rows).numpy(), features),
            "AUC at 0 plays, partner knows": float(np.nanmean(score_users(scores, day, shown)["auc"][known])),
            "epsilon": epsilon(training.noise_multiplier, n_rows=n_crossings(training, n_users=draws.n_able)),
        }


def _draws(day: FirstDay, recipe: FederatedRecipe) -> PlayDraws:
    """Lay the plays out for drawing."""
    return PlayDraws(day.plays, len(day.users), categories=day.categories, recipe=recipe)


def _like_rates(day: FirstDay) -> np.ndarray:
    """Compute the share of each user's plays that were liked."""
    n_likes, n_plays = (
        np.bincount(log.user, minlength=len(day.users)) for log in (day.plays.where(day.plays.liked), day.plays)
    )
    return n_likes / np.maximum(n_plays, 1)


if __name__ == "__main__":
    typer.run(main)
