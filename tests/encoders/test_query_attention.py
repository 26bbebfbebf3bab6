import math

import numpy as np
import pytest
import torch
from tiny import INSTRUCTIONS, QUERIES

from instrerank.encoders import load_encoder
from instrerank.encoders.batching import padded
from instrerank.encoders.query_attention import instruction_query_attention
from instrerank.encoders.texts import EncoderText


def one_pair(instruction: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """The paper's formula for a single pair, where there is no padding to mask."""
    weights = torch.softmax(instruction @ query.T / math.sqrt(query.shape[1]), dim=1)
    return (weights @ query).mean(0)


@pytest.mark.parametrize("filler", [0, 7])
def test_padding_has_no_weight(filler):
    torch.manual_seed(0)
    instructions, queries = ([torch.randn(n, 8) for n in lengths] for lengths in ([3, 6, 1], [5, 2, 4]))
    found = instruction_query_attention(*padded(instructions, filler), *padded(queries, filler))
    expected = torch.stack([one_pair(i, q) for i, q in zip(instructions, queries, strict=True)])
    torch.testing.assert_close(found, expected)


def test_gradients_reach_both_sides_and_stay_finite():
    sides = [torch.randn(2, 3, 4, requires_grad=True) for _ in range(2)]
    mask = torch.tensor([[True, True, False], [True, False, False]])
    instruction_query_attention(sides[0], mask, sides[1], mask).sum().backward()
    for side in sides:
        assert side.grad is not None and side.grad.isfinite().all()
        assert side.grad[~mask].abs().max() == 0


def test_encoder_option(models):
    folder = models("bert", "inf-embed-bert")
    plain, attending = load_encoder(folder), load_encoder(folder, query_encoding="attention")
    found = attending.encode_queries([*QUERIES, QUERIES[0]], [*INSTRUCTIONS, INSTRUCTIONS[0]])
    for at, (query, instruction) in enumerate(zip(QUERIES, INSTRUCTIONS, strict=True)):
        if not instruction:  # a query without instruction is encoded plainly
            np.testing.assert_allclose(found.vectors[at], plain.encode_queries([query]).vectors[0], atol=1e-5)
            continue
        with torch.inference_mode():
            sides = [
                plain.backend.token_states([token.ids])
                for text in (instruction, query)
                for token in plain.tokenizer.encode([EncoderText(text)], 256)
            ]
            expected = torch.nn.functional.normalize(one_pair(*sides), dim=0)
        np.testing.assert_allclose(found.vectors[at], expected.numpy(), atol=1e-5)
        assert found.token_counts[at] == sum(len(side) for side in sides)
    assert (found.vectors[0] == found.vectors[-1]).all()
    passages = attending.encode_passages(["Tides follow the moon."]).vectors
    assert (passages == plain.encode_passages(["Tides follow the moon."]).vectors).all()
    assert attending.fingerprint == plain.fingerprint  # of passages, whose stored vectors serve both
