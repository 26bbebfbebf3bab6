"""8-bit linear layers against float64, and the rounding of tokens."""

import pytest
import torch

from instrerank.encoders.networks import int8
from instrerank.encoders.networks.int8 import int8_linear
from instrerank.errors import InputError


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + shape[0]))


@pytest.mark.parametrize("after_gelu", [False, True])
def test_products_are_within_the_rounding(after_gelu: bool) -> None:
    states, weight, bias = drawn(50, 64), drawn(32, 64), drawn(32)
    states[7] *= 1000  # a token of its own size
    states[9] = 0
    if after_gelu:
        states = torch.nn.functional.gelu(states)
    exact = states.double() @ weight.double().T + bias
    error = (int8_linear(weight, bias, after_gelu=after_gelu)(states) - exact).abs()
    # half a step of the token times the weights, and of the weights times the token, added up over 64 products
    steps = states.abs().amax(1, keepdim=True) / 254 * weight.abs().sum(1) + weight.abs().amax(1) / 254 * (
        states.abs().sum(1, keepdim=True)
    )
    assert (error <= steps + 1e-4).all()
    assert error.max() > 0


def test_gelu_is_the_exact_one() -> None:
    states, weight, bias = drawn(50, 64), drawn(32, 64), drawn(32)
    plain = int8_linear(weight, bias)(states)
    torch.testing.assert_close(int8_linear(weight, bias, "gelu")(states), torch.nn.functional.gelu(plain))


def test_bytes_that_are_exact_come_through_unchanged() -> None:
    states = torch.arange(-127, 128, dtype=torch.float32).repeat(3, 1)
    weight = torch.zeros(2, 255)
    weight[0, 3], weight[1, 250] = 127, -127
    result = int8_linear(weight, torch.tensor([0.5, -0.5]))(states)
    assert result.tolist() == [[-124 * 127 + 0.5, -123 * 127 - 0.5]] * 3


def test_a_processor_without_the_instructions_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "_bytes_multiply", lambda: False)
    with pytest.raises(InputError, match="int8 needs a processor with VNNI"):
        int8_linear(drawn(2, 4), drawn(2))
