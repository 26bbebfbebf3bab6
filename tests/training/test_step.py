"""The loss of a step: against the objective by hand, and two processes against one."""

from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from instrerank.encoders.loading import find_model
from instrerank.encoders.networks.transformers import load_network
from instrerank.encoders.tokenizing import load_tokenizer
from instrerank.training.network import TrainableEncoder
from instrerank.training.objectives import Objective
from instrerank.training.rows import Row
from instrerank.training.sampling import Batch, Sampler
from instrerank.training.step import batch_loss

OBJECTIVE = Objective("multi", ("P", "IQ", "I"), self_teaching=0.5)
SAMPLER = Sampler(OBJECTIVE, 3, typos=0.5)


def small_encoder(folder):
    files = find_model(folder, pooling="mean")
    network = load_network(files.layout.network, "AutoModel", dtype="float32", device="cpu")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_("pooler" not in name)
    return TrainableEncoder(network, files.profile, load_tokenizer(files.layout.network, files.profile))


def gradient(model, batch):
    batch_loss(OBJECTIVE, batch, *model(batch.pairs, batch.passages)).backward()
    return [parameter.grad for parameter in model.parameters() if parameter.requires_grad]


def joint(batches):
    """One batch with the texts and draws of several."""
    pairs, passages = [sum(map(len, (b.pairs for b in batches[:at]))) for at in (0, 1)], [0, len(batches[0].passages)]

    def shifted(field, by):
        return [at + by[k] for k, batch in enumerate(batches) for at in getattr(batch, field)]

    drawn = [[at + pairs[k] for at in negatives] for k, batch in enumerate(batches) for negatives in batch.drawn["I"]]
    return Batch(
        rows=(),
        pairs=[pair for batch in batches for pair in batch.pairs],
        passages=[text for batch in batches for text in batch.passages],
        queries=shifted("queries", pairs),
        positives=shifted("positives", passages),
        hard_negatives=shifted("hard_negatives", passages),
        drawn={"I": drawn},
        misspelt=shifted("misspelt", pairs),
    )


def parts(rows):
    """Two processes with different numbers of anchors, hard negatives and a passage that both hold."""
    triple = rows[5].triples[0]
    return [
        SAMPLER(rows[:3]),
        SAMPLER([rows[3], Row("more", (triple._replace(negatives=("Sand.", rows[0].triples[0].passage)),))]),
    ]


def _process(rank, folder, rows, place):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=2)
    model = DistributedDataParallel(small_encoder(folder))
    torch.save(gradient(model, parts(rows)[rank]), place / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_give_the_gradient_of_the_joint_batch(models, rows, tmp_path):
    folder = models("bert", "some-model")
    torch.multiprocessing.spawn(_process, (folder, rows, tmp_path), nprocs=2)
    wanted = gradient(small_encoder(folder), joint(parts(rows)))
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_draws_of_several_sizes_and_texts_that_stand_twice(rows):
    """Vectors chosen so that every score is known: the loss equals InfoNCE written out."""
    batch = Sampler(Objective(terms=("P", "I")), 3)(rows[:2])
    objective = Objective("uni", ("P", "I"), temperature=1.0)
    torch.manual_seed(0)
    pairs, passages = torch.randn(len(batch.pairs), 5), torch.randn(len(batch.passages), 5)
    losses = []
    for anchor, (q, p) in enumerate(zip(batch.queries, batch.positives, strict=True)):
        scores = [pairs[q] @ passages[p]]
        scores += [pairs[q] @ passages[other] for other in batch.positives if other != p]
        scores += [pairs[k] @ passages[p] for k in batch.drawn["I"][anchor]]
        losses.append(torch.logsumexp(torch.stack(scores), 0) - scores[0])
    found = batch_loss(objective, batch, pairs, passages)
    torch.testing.assert_close(found, torch.stack(losses).mean())


def test_a_passage_of_equal_text_is_no_negative(rows):
    first = rows[0].triples[0]
    twin = Row("twin", (first._replace(query="another question"),))
    batch = Sampler(Objective(terms=("P",)))([Row("first", (first,)), twin])
    pairs, passages = torch.randn(2, 3), torch.randn(1, 3)
    assert batch_loss(Objective(terms=("P",)), batch, pairs, passages).item() == pytest.approx(0)
    pairs[0] = pairs[1] = 1
    other = replace(batch, passages=[first.passage, "Sand."], positives=[0, 1])
    assert batch_loss(Objective(terms=("P",)), other, pairs, torch.ones(2, 3)).item() == pytest.approx(
        0.6931, abs=1e-3
    )
