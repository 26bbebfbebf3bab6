"""Grids and compositions in a study: every cell is run, and interactions are tested topic by topic."""

from dataclasses import replace

import pytest

from instrerank.collections import POCKET
from instrerank.errors import InputError
from instrerank.evaluation.robustness import mean_over_seeds
from instrerank.study import configure, make_plan, run_study
from instrerank.study.report.interactions import interaction_sentences
from instrerank.study.report.reading import read_tables
from instrerank.study.results import read_results
from instrerank.study.rows import Interaction
from instrerank.study.table_files import read_table
from instrerank.study.values import read_mapping
from instrerank.trec import Run, ScoredDoc, read_topics, write_run

GRID = {"wording": ["instruction-paraphrase"], "placement": ["slot", "both"], "typos": ["typo-mixed"]}
OWN = {"collection": "pocket", "encoders": ["minilm"], "conditions": ["own"]}


def settings(tmp_path, **more):
    docids = [line.split('"')[3] for line in (POCKET / "passages.jsonl").read_text().splitlines()[:20]]
    ranking = [ScoredDoc(docid, 20.0 - rank) for rank, docid in enumerate(docids)]
    qids = [topic.qid for topic in read_topics(POCKET / "topics.tsv")]
    write_run(tmp_path / "run.txt", Run("bm25", dict.fromkeys(qids, ranking)))
    return {**OWN, "run": str(tmp_path / "run.txt"), "measures": ["ndcg_cut.10"], "seeds": [1, 2], **more}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    plan = make_plan(configure(settings(folder, grid=GRID)))
    assert run_study(plan, folder / "study").failures == []
    return plan, folder / "study"


def test_every_cell_of_the_grid_is_run(study):
    plan, folder = study
    perturbations = {cell.variation.name for cell in plan.cells}
    assert perturbations == {"clean", "instruction-paraphrase", "typo-mixed", "instruction-paraphrase+typo-mixed"}
    assert [choice.name for choice in plan.configuration.encoders] == ["minilm", "minilm-both"]
    assert plan.configuration.encoders[1].load.instruction_placement == "both"
    recorded = read_mapping(folder / "study.yaml", "the record")["configuration"]
    assert recorded["grid"] == GRID
    assert "grid" not in configure(OWN).as_data()


def test_a_placement_without_an_instruction_is_not_run(tmp_path):
    plan = make_plan(configure(settings(tmp_path, conditions=["none", "own"], grid=GRID)))
    systems = {str(cell.system) for cell in plan.cells}
    assert {"minilm/none", "minilm/own", "minilm-both/own"} <= systems
    assert "minilm-both/none" not in systems


def test_an_interaction_is_the_difference_of_differences_by_topic(study):
    plan, folder = study
    results = read_results(plan, folder, "fixed")
    rows = {
        (row.encoder, row.instructions, row.changes): row
        for row in read_table(folder / "tables" / "fixed" / "interactions.csv", Interaction)
    }
    system, copy = (
        next(s for s in results.systems if tuple(s) == (name, "own")) for name in ("minilm", "minilm-both")
    )
    clean = results.scores[results.clean(system)]["ndcg_cut_10"]

    def drop(of, name=None):
        draws = results.draws(of)[name] if name else [results.clean(of)]
        changed = mean_over_seeds([results.scores[cell]["ndcg_cut_10"] for cell in draws])
        return sum(clean[qid] - changed[qid] for qid in clean) / len(clean)

    both = "instruction-paraphrase+typo-mixed"
    drops = {name: drop(system, name) for name in ("instruction-paraphrase", "typo-mixed")}
    drops["placement-both"] = drop(copy)
    for name, each in drops.items():
        row = rows["minilm", "own", name]
        assert (row.number, row.difference, row.p) == (1, None, None)
        assert row.drop == pytest.approx(each, abs=1e-9)
    wanted = {
        both: drop(system, both),
        "instruction-paraphrase+placement-both": drop(copy, "instruction-paraphrase"),
        "typo-mixed+placement-both": drop(copy, "typo-mixed"),
        f"{both}+placement-both": drop(copy, both),
    }
    for changes, total in wanted.items():
        row = rows["minilm", "own", changes]
        added = sum(drops[name] for name in changes.split("+"))
        assert (row.number, row.topics) == (changes.count("+") + 1, len(clean))
        assert row.difference == pytest.approx(total - added, abs=1e-9)
        assert row.low <= row.difference <= row.high
    # the copy has its own clean queries, and no placement to add
    assert {changes for encoder, _, changes in rows if encoder == "minilm-both"} == {
        *("instruction-paraphrase", "typo-mixed", both)
    }


def test_the_page_has_the_interactions(study):
    _, folder = study
    page = (folder / "report.html").read_text()
    assert "Changes made together" in page
    assert "interactions.csv:" in page
    (tables,) = read_tables(folder)
    [sentence] = interaction_sentences(tables, 0.05)
    assert "of 5 cost significantly more than the sum of each alone" in sentence.striptags()
    tested = [
        each._replace(row=each.row._replace(difference=0.25, corrected_p=0.001))
        for each in tables.interactions
        if each.row.number == 2
    ]
    [sentence] = interaction_sentences(replace(tables, interactions=tested[:1]), 0.05)
    assert "1 of 1 cost significantly more than the sum of each alone, none less." in sentence.striptags()
    assert "+0.2500, corrected p = 0.0010." in sentence.striptags()


def test_compositions_without_a_grid_are_tested_too(tmp_path):
    plan = make_plan(
        configure(
            settings(
                tmp_path,
                conditions=["none"],
                perturbations=["typo-mixed", "case-upper", "typo-mixed+case-upper", "word-swap+polite"],
            )
        )
    )
    assert run_study(plan, tmp_path / "study").failures == []
    rows = list(read_table(tmp_path / "study" / "tables" / "fixed" / "interactions.csv", Interaction))
    # minilm lower-cases: the case adds nothing; the parts of word-swap+polite were not run
    assert [row.changes for row in rows] == ["typo-mixed", "case-upper", "typo-mixed+case-upper"]
    assert (rows[1].drop, rows[2].difference, rows[2].p) == (0, 0, None)


def test_a_composition_of_query_and_instruction_needs_the_instruction_and_is_searched(tmp_path):
    given = settings(
        tmp_path, conditions=["none", "own"], candidates=["fixed", "retrieve"], perturbations=[
            "typo-mixed+instruction-paraphrase", "instruction-paraphrase",
        ],
    )  # fmt: skip
    plan = make_plan(configure(given))
    both = [cell for cell in plan.cells if cell.variation.name == "typo-mixed+instruction-paraphrase"]
    assert {(cell.mode, str(cell.system)) for cell in both} == {
        *(("fixed", "minilm/own"), ("retrieve", "minilm/own"), ("retrieve", "bm25/none")),
    }
    searched = next(cell for cell in both if cell.mode == "retrieve" and cell.encoder)
    assert "typo-mixed" in plan.first_stage_path(searched).name
    alone = next(c for c in plan.cells if c.mode == "retrieve" and c.variation.name == "instruction-paraphrase")
    assert "clean" in plan.first_stage_path(alone).name


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({"typos": ["typo-mixed"]}, "grid needs two of: wording, placement"),
        ({"typos": ["typo-mixed"], "placement": ["slot"]}, "grid needs two of"),
        ({"wording": ["typo-mixed"], "typos": ["typo-mixed"]}, "typo-mixed does not change the instruction alone"),
        ({"wording": ["instruction-long"], "typos": ["negaton"]}, "Nearest: negation"),
        ({"wording": ["instruction-long"], "placement": ["infront"]}, "must be one of slot, after, both"),
        ({"typos": ["typo-mixed"], "placement": ["slot", "slot"]}, "duplicates in placement"),
        ({"word": []}, "grid must be a mapping with some of wording, placement, typos"),
        ([1], "grid must be a mapping"),
    ],
)
def test_grids_that_make_no_sense(grid, said):
    with pytest.raises(InputError, match=said):
        configure({**OWN, "grid": grid})


def test_a_grid_needs_instructions_and_encoders_that_can_place_them():
    with pytest.raises(InputError, match="own among the conditions"):
        configure({**OWN, "conditions": ["none"], "grid": GRID})
    after = {"encoder": "minilm", "instruction_placement": "after"}
    with pytest.raises(InputError, match="leave instruction_placement out"):
        configure({**OWN, "encoders": [after], "grid": GRID})
    cross = {"encoder": "x", "kind": "crossencoder"}
    with pytest.raises(InputError, match="encoder x: grid: `instruction_placement` cannot be used"):
        configure({**OWN, "encoders": [cross], "grid": GRID})
