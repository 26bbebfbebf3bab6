"""The loss of one step: an objective over a batch's vectors, gathered from all processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from instrerank.training.objectives import Drawn, Objective, Side, anchor_losses, self_teaching
from instrerank.training.sampling import Batch

if TYPE_CHECKING:
    import torch


def batch_loss(objective: Objective, batch: Batch, pairs: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
    """Return the loss of this process's anchors, scaled so that gradients average to that of the joint batch.

    Candidates of P and IQ are gathered from all processes, with gradients; those of I and Q are drawn locally. In
    data-parallel training, the mean over processes of world size / B · Σ over local anchors equals the mean over all B
    anchors: no other factor is needed, and processes may have different numbers of anchors.

    Args:
        objective: the objective to minimise.
        batch: the batch of this process.
        pairs: vectors of `batch.pairs`, [n, d].
        passages: vectors of `batch.passages`, [m, d].

    Returns:
        A scalar.
    """
    import torch

    from instrerank.training.distributed import gather, place

    device = pairs.device
    queries, positives, hard = (
        torch.tensor(each, dtype=torch.long, device=device)
        for each in (batch.queries, batch.positives, batch.hard_negatives)
    )
    pair_ids, passage_ids = (_identities(texts).to(device) for texts in (batch.pairs, batch.passages))
    joint_queries = [Side(*each) for each in zip(gather(pairs[queries]), gather(pair_ids[queries]), strict=True)]
    joint_passages = [
        Side(*each)
        for rows in (positives, hard)
        for each in zip(gather(passages[rows]), gather(passage_ids[rows]), strict=True)
    ]
    drawn = {term: _drawn(pairs, negatives) for term, negatives in batch.drawn.items()}
    rank, world = place()
    first = sum(len(side.texts) for side in joint_queries[:rank])
    losses = anchor_losses(objective, _joined(joint_queries), _joined(joint_passages), first, len(queries), drawn)
    if objective.self_teaching:
        misspelt = pairs[torch.tensor(batch.misspelt, device=device)]
        candidates = _joined(joint_passages).vectors
        taught = self_teaching(pairs[queries], misspelt, candidates, objective.temperature)
        losses = losses + objective.self_teaching * taught
    return losses.sum() * world / sum(len(side.texts) for side in joint_queries)


def _joined(sides: Sequence[Side]) -> Side:
    import torch

    return Side(torch.cat([side.vectors for side in sides]), torch.cat([side.texts for side in sides]))


def _drawn(pairs: torch.Tensor, negatives: Sequence[Sequence[int]]) -> Drawn:
    import torch

    width = max(map(len, negatives))
    rows = torch.tensor([[*each, *[0] * (width - len(each))] for each in negatives], dtype=torch.long)
    real = torch.tensor([[at < len(each) for at in range(width)] for each in negatives], dtype=torch.bool)
    return Drawn(pairs[rows.to(pairs.device)], real.to(pairs.device))


def _identities(texts: Sequence[object]) -> torch.Tensor:
    """Return int64 hashes of texts, the same in every process."""
    import torch

    digests = (hashlib.sha256(json.dumps(text).encode()).digest() for text in texts)
    return torch.tensor([int.from_bytes(digest[:8], signed=True) for digest in digests], dtype=torch.long)
