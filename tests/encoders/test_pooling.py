import pytest
import torch

from instrerank.encoders.pooling import pool

torch.manual_seed(0)
LENGTHS, SKIP = [5, 1, 3], [2, 0, 1]
TEXTS = [torch.randn(length, 4) for length in LENGTHS]


def pooled(mode: str, skip: list[int] = SKIP) -> torch.Tensor:
    return pool(torch.cat(TEXTS), torch.tensor(LENGTHS), torch.tensor(skip), [mode])


@pytest.mark.parametrize(
    ("mode", "one"),
    [
        ("mean", lambda states, skip: states[skip:].mean(0)),
        ("cls", lambda states, skip: states[skip]),
        ("last", lambda states, skip: states[-1]),
        ("max", lambda states, skip: states[skip:].max(0).values),
        ("mean_sqrt_len", lambda states, skip: states[skip:].sum(0) / len(states[skip:]) ** 0.5),
        (
            "weightedmean",
            lambda states, skip: (
                sum((t + 1) * states[t] for t in range(skip, len(states)))
                / sum(t + 1 for t in range(skip, len(states)))
            ),
        ),
    ],
)
@pytest.mark.parametrize("skip", [SKIP, [0, 0, 0]])
def test_modes_against_their_definition(mode, one, skip):
    expected = torch.stack([one(states, at) for states, at in zip(TEXTS, skip, strict=True)])
    torch.testing.assert_close(pooled(mode, skip), expected)


def test_several_modes_are_concatenated():
    both = pool(torch.cat(TEXTS), torch.tensor(LENGTHS), torch.tensor(SKIP), ["cls", "mean"])
    torch.testing.assert_close(both, torch.cat([pooled("cls"), pooled("mean")], dim=1))


def test_low_precision_is_pooled_in_float32():
    long = torch.full((4096, 2), 1.001, dtype=torch.bfloat16)
    found = pool(long, torch.tensor([4096]), torch.tensor([0]), ["mean"])
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[0], long[0].float())
