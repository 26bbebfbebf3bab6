"""The table `instructions`: effect of instructions on the clean queries, p-MRR, and prompt sensitivity."""

from __future__ import annotations

from collections.abc import Iterator

from instrerank.evaluation.infosearch import gold_documents
from instrerank.evaluation.instructions import Documents, changed_documents, p_mrr_by_topic
from instrerank.evaluation.means import mean
from instrerank.evaluation.robustness import prompt_sensitivity
from instrerank.evaluation.significance import compare
from instrerank.study.configuration import FIRST_STAGE, System
from instrerank.study.prompts import PROMPT
from instrerank.study.results import Results
from instrerank.study.rows import InstructionEffect
from instrerank.study.tables.comparison import compared, with_corrected_p


def instruction_rows(results: Results) -> list[InstructionEffect]:
    """Return, encoder by encoder: each condition against none, p-MRR, and prompt sensitivity."""
    rows: list[InstructionEffect] = []
    for encoder in dict.fromkeys(system.encoder for system in results.systems if system.encoder != FIRST_STAGE):
        rows += [*_against_none(results, encoder), *_p_mrr(results, encoder), *_prompt_sensitivity(results, encoder)]
    return with_corrected_p(rows)


def _against_none(results: Results, encoder: str) -> Iterator[InstructionEffect]:
    """Yield each condition of an encoder but its prompts against none; `changed` with the changed qrels."""
    none = System(encoder, "none")
    if none not in results.systems:
        return
    for system in results.systems:
        if system.encoder != encoder or system == none or system.instructions.startswith(PROMPT):
            continue
        without = results.scores[results.clean(none)]
        if system.instructions == "changed":
            without = results.changed_none.get(encoder, without)
        for measure, scores in results.scores[results.clean(system)].items():
            change = compared(scores, without[measure])
            low, high = change.interval or (None, None)
            yield InstructionEffect(
                *system,
                measure=measure,
                topics=len(scores),
                mean=change.mean,
                none=change.baseline,
                difference=change.difference,
                low=low,
                high=high,
                p=change.p_t_test,
            )


def _p_mrr(results: Results, encoder: str) -> Iterator[InstructionEffect]:
    """Yield p-MRR × 100 over the documents that stop being relevant, and over those that stay relevant.

    Only topics in both runs count; without any, no row.
    """
    own, changed = System(encoder, "own"), System(encoder, "changed")
    plan = results.plan
    if not {own, changed} <= set(results.systems) or plan.changed_qrels is None:
        return
    runs = [results.runs[results.clean(system)] for system in (own, changed)]
    answered = runs[0].rankings.keys() & runs[1].rankings.keys()
    for measure, chosen in (("p_mrr", changed_documents), ("p_mrr_kept", gold_documents)):
        chosen_documents = chosen(plan.qrels, plan.changed_qrels, plan.configuration.relevance_level)
        documents: Documents = {qid: docids for qid, docids in chosen_documents.items() if qid in answered}
        if documents:
            moves = {qid: 100 * move for qid, move in p_mrr_by_topic(runs[0], runs[1], documents).items()}
            result = compare(moves, dict.fromkeys(moves, 0.0), randomisation=False)
            low, high = result.interval or (None, None)
            yield InstructionEffect(*changed, measure, len(moves), result.mean, low=low, high=high)


def _prompt_sensitivity(results: Results, encoder: str) -> Iterator[InstructionEffect]:
    """Yield the standard deviation of each measure's mean over two or more generic instructions."""
    own = System(encoder, "own")
    generic = results.draws(own).get("instruction-generic", []) if own in results.systems else []
    if len(generic) < 2:
        return
    for measure, scores in results.scores[generic[0]].items():
        deviation = prompt_sensitivity([mean(results.scores[cell][measure]) for cell in generic])
        yield InstructionEffect(
            encoder, "instruction-generic", f"prompt_sensitivity {measure}", len(scores), deviation
        )
