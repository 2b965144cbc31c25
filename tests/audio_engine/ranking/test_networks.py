import torch

from audio_engine.ranking.config import RankerConfig
from audio_engine.ranking.networks import DeepCross, DeepFM, Fields, FieldSizes

SIZES = FieldSizes(categories=(5, 4), n_numbers=3, n_vectors=2, vector_dim=6)


def some_fields(n: int = 7) -> Fields:
    generator = torch.Generator().manual_seed(0)
    return Fields(
        categories=torch.randint(0, 4, (n, 2), generator=generator),
        numbers=torch.randn(n, 3, generator=generator),
        vectors=torch.randn(n, 2, 6, generator=generator),
    )


@torch.no_grad()
def test_the_factorisation_machine_is_every_pair_of_fields_multiplied_out() -> None:
    torch.manual_seed(0)
    network, fields = DeepFM(SIZES, RankerConfig(network="deepfm", dim=4)).eval(), some_fields()
    network.last.weight.zero_()  # the deep part says nothing
    for row in range(len(fields)):
        embedded = [table.weight[fields.categories[row, i]] for i, table in enumerate(network.tables)]
        embedded += [fields.numbers[row, i] * network.numbers[i] for i in range(3)]
        embedded += [layer.weight @ fields.vectors[row, i] for i, layer in enumerate(network.vectors)]
        pairs = sum(float(embedded[i] @ embedded[j]) for i in range(7) for j in range(i))
        first = sum(float(table.weight[fields.categories[row, i]]) for i, table in enumerate(network.first_tables))
        plain = torch.cat([fields.numbers[row], fields.vectors[row].flatten()])
        first += float(network.first.weight[0] @ plain + network.first.bias[0])
        torch.testing.assert_close(float(network(fields)[row]), first + pairs, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_cross_layer_multiplies_the_start_into_what_came_before() -> None:
    torch.manual_seed(0)
    network, fields = DeepCross(SIZES, RankerConfig(dim=4, n_cross=3)).eval(), some_fields()
    n_start = 2 * 4 + 3 + 2 * 6
    network.last.weight[0, n_start:] = 0.0  # the deep part says nothing
    for row in range(len(fields)):
        embedded = [table.weight[fields.categories[row, i]] for i, table in enumerate(network.tables)]
        start = torch.cat([*embedded, fields.numbers[row], fields.vectors[row].flatten()])
        crossed = start.clone()
        for layer in network.cross:
            crossed = torch.stack(
                [start[i] * (layer.weight[i] @ crossed + layer.bias[i]) + crossed[i] for i in range(n_start)]
            )
        expected = network.last.weight[0, :n_start] @ crossed + network.last.bias[0]
        torch.testing.assert_close(network(fields)[row], expected, rtol=1e-4, atol=1e-5)


def test_a_network_without_vectors_or_hidden_layers_runs() -> None:
    sizes = FieldSizes(categories=(5, 4), n_numbers=3, n_vectors=0, vector_dim=0)
    fields = some_fields()
    without = Fields(categories=fields.categories, numbers=fields.numbers, vectors=torch.zeros(7, 0, 0))
    for network in (DeepFM(sizes, RankerConfig(n_hidden=0)), DeepCross(sizes, RankerConfig(n_hidden=0))):
        assert network(without).shape == (7,)
