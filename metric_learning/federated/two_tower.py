"""Our half of the model: a two-tower DSSM whose user tower ends in a multi-task head.

The user tower reads a few first plays, demographics and what crossed the cut. The head gives one vector a task and one
for recall. The vector for recall is compared with the encoder's vectors as they are, by cosine: any index of the
catalogue serves it. The vectors of the tasks are compared with what our half has learned of the tracks: a linear map of
the encoder's vector and, where the track had plays, numbers of its own.

References
----------
P. Huang et al., Learning deep structured semantic models for web search using clickthrough data, CIKM 2013, section
3.3: two towers, cosine, softmax. J. Ma et al., KDD 2018: the head (`heads`). P. Vepakomma et al., Split learning for
health, 2018: bottom networks at the parties, joined at a cut.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metric_learning.federated.draws import N_HOW, DrawnStep, FirstPlays
from metric_learning.federated.heads import make_head
from metric_learning.federated.recipe import TASKS, FederatedRecipe, FederatedTraining

N_BIASES = len(TASKS) + 1  # of a track: each task, and how often it is played at all
LIKE, SKIP, PLAYED = TASKS.index("like"), TASKS.index("skip"), len(TASKS)


@dataclass(frozen=True, kw_only=True)
class UserVectors:
    """What the user tower says of some users."""

    recall: Tensor  # (batch, dim) unit length, comparable with the encoder's vectors
    tasks: Tensor  # (batch, n_tasks, dim) comparable with `TrackSide.vectors`


@dataclass(frozen=True, kw_only=True)
class TrackSide:
    """What our half has learned of some tracks."""

    vectors: Tensor  # (n, dim)
    biases: Tensor  # (n, N_BIASES)


class TwoTower(nn.Module):
    """Both towers, without the partner's bottom network.

    Parameters
    ----------
    recipe
        Sizes.
    """

    def __init__(self, recipe: FederatedRecipe) -> None:
        super().__init__()
        self.recipe, dim = recipe, recipe.dim
        self.played = nn.Embedding(recipe.n_tracks, dim)
        self.read_vector = nn.Linear(dim, dim)
        self.read_play = nn.Linear(N_HOW, 2 * dim)
        self.category_tables = nn.ModuleList(nn.Embedding(size, recipe.category_dim) for size in recipe.categories)
        self.absent = nn.Parameter(torch.zeros(recipe.cut_dim))
        n_inputs = 2 * dim + recipe.category_dim * len(recipe.categories) + 1 + recipe.cut_dim
        self.dropout = nn.Dropout(recipe.dropout)
        self.head = make_head(recipe, n_inputs=n_inputs, n_tasks=len(TASKS) + 1)
        self.outputs = nn.ModuleList(nn.Linear(recipe.width, dim) for _ in range(len(TASKS) + 1))
        self.map_track = nn.Linear(dim, dim, bias=False)
        self.own = nn.Embedding(recipe.n_tracks, dim)
        self.own_biases = nn.Embedding(recipe.n_tracks, N_BIASES)
        self.biases = nn.Parameter(torch.tensor([-1.5] * len(TASKS) + [0.0]))
        self.log_temperature = nn.Parameter(torch.tensor(-2.5))
        nn.init.eye_(self.map_track.weight)
        nn.init.normal_(self.played.weight, std=0.05)
        nn.init.normal_(self.own.weight, std=0.01)
        nn.init.zeros_(self.own_biases.weight)

    def users(
        self, first: FirstPlays, vectors: Tensor, known: Tensor, *, crossed: Tensor, is_aligned: Tensor
    ) -> UserVectors:
        """Embed users.

        Parameters
        ----------
        first
            Their plays and demographics.
        vectors : (batch, n_first_plays, dim)
            The encoder's vectors of the tracks played.
        known : (batch, n_first_plays)
            Row of each track in the tables; below 0 where it had no plays in training.
        crossed : (batch, cut_dim)
            The partner's activations; anything where the partner does not know the user.
        is_aligned : (batch,)
            Whether it does.
        """
        own = self.played(known.clamp(min=0)) * (known >= 0).unsqueeze(-1)
        read = (self.read_vector(vectors) + own).unsqueeze(2)
        claims = self.read_play(first.how).unflatten(-1, (2, -1))  # how each play went says what its track speaks for
        pooled = (read * claims * first.present[..., None, None]).sum(1)
        n_plays = first.present.sum(1, keepdim=True)
        columns = [table(first.categories[:, i]) for i, table in enumerate(self.category_tables)]
        partner = torch.where(is_aligned.unsqueeze(1), crossed, self.absent)
        pooled = pooled.flatten(1) / (1 + n_plays).sqrt()
        inputs = torch.cat([pooled, *columns, n_plays / self.recipe.n_first_plays, partner], 1)
        mixed = self.head(self.dropout(inputs))
        said = torch.stack([output(mixed[:, i]) for i, output in enumerate(self.outputs)], 1)
        return UserVectors(tasks=said[:, : len(TASKS)], recall=F.normalize(said[:, -1], dim=-1))

    def tracks(self, vectors: Tensor, known: Tensor) -> TrackSide:
        """Describe tracks.

        Parameters
        ----------
        vectors : (n, dim)
            The encoder's, unit length.
        known : (n,)
            Row of each in the tables; below 0 where it had no plays in training.
        """
        is_known, rows = (known >= 0).unsqueeze(-1), known.clamp(min=0)
        return TrackSide(
            vectors=self.map_track(vectors) + self.own(rows) * is_known,
            biases=self.biases + self.own_biases(rows) * is_known,
        )

    @staticmethod
    def task_logits(users: UserVectors, tracks: TrackSide) -> Tensor:
        """Compute the log-odds of each task for all pairs: (batch, n_tasks, n)."""
        return users.tasks @ tracks.vectors.T + tracks.biases[:, : len(TASKS)].T

    @staticmethod
    def rank_scores(task_logits: Tensor, tracks: TrackSide) -> Tensor:
        """Score tracks to rank them for a user, by the log-odds of a like, against a skip, and of being played at all.

        Parameters
        ----------
        task_logits : (batch, n_tasks, n)
            From `task_logits`.
        tracks
            The same.

        Returns
        -------
        scores : (batch, n)
        """
        return task_logits[:, LIKE] - task_logits[:, SKIP] + tracks.biases[:, PLAYED]

    def loss(
        self, users: UserVectors, vectors: Tensor, step: DrawnStep, *, training: FederatedTraining, warm: bool
    ) -> Tensor:
        """Compute the loss of a step.

        Parameters
        ----------
        users
            Of the step.
        vectors : (n_tracks, dim)
            The encoder's, of the tables' tracks.
        step
            What they played next.
        training
            Weights of the parts.
        warm
            Whether the tracks' own numbers are read; otherwise every track is as if new.
        """
        everything = torch.arange(len(vectors)) if step.sample is None else step.sample
        rows = torch.cat([everything, step.target.flatten()]) if step.sample is not None else everything
        tracks = self.tracks(vectors[rows], rows if warm else torch.full_like(rows, -1))
        logits = self.task_logits(users, tracks)
        place = (
            step.target
            if step.sample is None
            else len(everything) + torch.arange(step.target.numel()).view_as(step.target)
        )
        own = logits.gather(2, place.unsqueeze(1).expand(-1, len(TASKS), -1)).transpose(1, 2)
        is_known = ~step.labels.isnan()
        entropy = F.binary_cross_entropy_with_logits(own, step.labels.nan_to_num(), reduction="none")
        tasks = (entropy * is_known).sum() / is_known[..., 0].sum().clamp(min=1)
        liked = step.labels[..., LIKE].nan_to_num()
        recall = users.recall @ vectors[rows].T / self.log_temperature.exp()
        lists = sum(
            _softmax_loss(scores, place, liked, n_sampled=len(everything), n_tracks=len(vectors))
            for scores in (self.rank_scores(logits, tracks), recall)
        )
        return tasks + training.list_weight * lists


def _softmax_loss(scores: Tensor, place: Tensor, liked: Tensor, *, n_sampled: int, n_tracks: int) -> Tensor:
    """Predict what was liked among all tracks, or a random part of them, which are the first `n_sampled` columns."""
    own, against = scores.gather(1, place), torch.logsumexp(scores[:, :n_sampled], 1, keepdim=True)
    if n_sampled < n_tracks:  # each sampled track represents several, and the target itself is not among them
        against = torch.logaddexp(own, against + torch.tensor(n_tracks / n_sampled).log())
    return ((against - own) * liked).sum() / liked.sum().clamp(min=1)
