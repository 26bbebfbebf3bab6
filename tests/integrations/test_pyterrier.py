"""The transformer against PyTerrier's own contract, and in a pipeline over `pocket`."""

import pytest

from instrerank import InstructionReranker
from instrerank.collections import load_instructions, load_qrels, load_topics, open_passages
from instrerank.errors import InputError
from instrerank.evaluation.measures import evaluate
from instrerank.reranking import Fusion, rerank, select_candidates
from instrerank.trec import Run, read_run

pytestmark = [
    pytest.mark.pyterrier,
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop"),  # PyTerrier's, under pandas 3.1
]

pd = pytest.importorskip("pandas")


@pytest.fixture
def transformer(bag_of_words):
    from instrerank.integrations.pyterrier import InstrerankTransformer

    return lambda instruction_attr=None, **options: InstrerankTransformer(
        InstructionReranker(bag_of_words, **options), instruction_attr=instruction_attr
    )


def frame(**columns):
    rows = {
        "qid": ["1", "1", "1", "02"],
        "query": ["moon", "moon", "moon", "sun"],
        "docno": ["a", "b", "c", "a"],
        "text": ["the sun", "moon sun moon", "moon", "the sun"],
        "score": [9.0, 8.0, 7.0, 3.0],
        "rank": [0, 1, 2, 0],
        **columns,
    }
    return pd.DataFrame({name: values for name, values in rows.items() if values is not None})


@pytest.mark.parametrize("instruction_attr", [None, "qinstruction"])
def test_pyterriers_contract(transformer, instruction_attr, monkeypatch):
    import unittest

    from pyterrier.testing import transformer_test_class

    monkeypatch.setenv("PT_TEST_TRANSFORMER_REPORTS", "0")
    case = transformer_test_class(lambda: transformer(instruction_attr))
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun == 2
    assert not result.failures and not result.errors, result.failures + result.errors


def test_what_inspection_says(transformer):
    import pyterrier as pt

    assert pt.inspect.transformer_inputs(transformer()) == [["qid", "docno", "query", "text"]]
    with_instructions = transformer("qinstruction")
    assert pt.inspect.transformer_inputs(with_instructions) == [["qid", "docno", "query", "text", "qinstruction"]]
    columns = ["qid", "query", "docno", "text", "title"]
    assert pt.inspect.transformer_outputs(transformer(), columns) == [*columns, "score", "rank"]
    assert pt.inspect.transformer_apply_attributes(transformer(), text_field="body").text_field == "body"
    with pytest.raises(pt.validate.InputValidationError, match="qinstruction"):
        with_instructions(frame())


def test_rows_come_out_in_order_with_all_their_columns(transformer):
    out = transformer()(frame(title=["A", "B", "C", "A"]))
    assert out[["qid", "docno", "title", "score", "rank"]].values.tolist() == [
        ["1", "b", "B", 2.0, 0],
        ["1", "c", "C", 1.0, 1],
        ["1", "a", "A", 0.0, 2],
        ["02", "a", "A", 1.0, 0],
    ]


def test_ties_stand_as_trec_eval_orders_them(transformer):
    out = transformer()(frame(text=["moon", "moon", "moon", "moon"]))
    assert out["docno"].tolist() == ["c", "b", "a", "a"]
    assert out["rank"].tolist() == [0, 1, 2, 0]


def test_instructions_and_first_stage_scores_count(transformer):
    instructions = ["without sun"] * 3 + [""]
    out = transformer("instruction")(frame(instruction=instructions))
    assert out["docno"].tolist() == ["c", "b", "a", "a"]
    fused = transformer(fusion=Fusion("interpolate", alpha=0.5))
    assert fused(frame())["score"].tolist() == [5.0, 4.5, 4.0, 2.0]
    assert fused(frame(score=None, rank=None))["score"].tolist() == pytest.approx([1.25, 0.5 + 1 / 6, 0.5, 1.0])


def test_lists_of_records_and_the_empty_frame(transformer):
    records = transformer()(frame().to_dict(orient="records"))
    assert [record["docno"] for record in records] == ["b", "c", "a", "a"]
    assert transformer()(frame().iloc[:0]).empty


def test_texts_that_are_missing_or_differ(transformer):
    with pytest.raises(InputError, match="several texts in the column text for 1 docno: a"):
        transformer()(frame(text=["the sun", "moon", "moon", "a sun"]))
    with pytest.raises(InputError, match="no text in the column text of 1 row: b"):
        transformer()(frame(text=["the sun", "", "moon", "the sun"]))
    for absent in (None, float("nan"), " "):
        with pytest.raises(InputError, match="topics without text in the column query: 02"):
            transformer()(frame(query=["moon", "moon", "moon", absent]))


def test_a_pipeline_over_pocket_gives_what_rerank_gives():
    import pyterrier as pt

    from instrerank.integrations.pyterrier import InstrerankTransformer

    first_stage = read_run("runs/run.pocket.bm25.none.none.clean.txt")
    instructions = load_instructions("pocket")
    topics = [topic._replace(instruction=instructions[topic.qid]) for topic in load_topics("pocket")[:2]]
    run = Run("bm25", {topic.qid: first_stage.rankings[topic.qid][:10] for topic in topics})
    texts = open_passages("pocket").lookup(docid for ranking in run.rankings.values() for docid, _ in ranking)
    reranker = InstructionReranker.from_pretrained("minilm")

    queries = pd.DataFrame([{"qid": t.qid, "query": t.text, "qinstruction": t.instruction} for t in topics])
    found = pd.DataFrame(
        {"qid": qid, "docno": docid, "score": score, "rank": rank, "text": texts[docid]}
        for qid, ranking in run.rankings.items()
        for rank, (docid, score) in enumerate(ranking)
    ).merge(queries, on="qid")
    pipeline = pt.Transformer.from_df(found) >> InstrerankTransformer(reranker, instruction_attr="qinstruction")
    out = pipeline(queries)

    candidates, _ = select_candidates(run, topics, texts, hits=10)
    expected, _ = rerank(candidates, texts, reranker.encoder, tag="minilm")
    for qid, ranking in expected.rankings.items():
        rows = out[out["qid"] == qid]
        assert rows["docno"].tolist() == [docid for docid, _ in ranking]
        assert rows["score"].tolist() == [score for _, score in ranking]

    qrels = [
        {"qid": t.qid, "docno": docid, "label": grade}
        for t in topics
        for docid, grade in load_qrels("pocket")[t.qid].items()
    ]
    table = pt.Experiment([pipeline], queries, pd.DataFrame(qrels), ["ndcg_cut_10", "recip_rank"])
    means = evaluate(expected, {t.qid: load_qrels("pocket")[t.qid] for t in topics}, list(table.columns[1:])).means
    assert table.iloc[0, 1:].tolist() == pytest.approx(list(means.values()))


def test_missing_texts_are_refused_and_missing_instructions_are_none():
    from instrerank.integrations.pyterrier import InstrerankTransformer

    reranker = InstructionReranker.from_pretrained("minilm", device="cpu")
    rows = [["1", "dough", "d1", "bread dough", 3.0, "x"], ["1", "dough", "d2", None, 2.0, "x"]]
    frame = pd.DataFrame(rows, columns=["qid", "query", "docno", "text", "score", "qinstruction"])
    with pytest.raises(InputError, match="no text in the column text of 1 row: d2"):
        InstrerankTransformer(reranker)(frame)
    for absent in (None, float("nan")):
        given = frame.assign(text="a tide", qinstruction=absent)
        plain = InstrerankTransformer(reranker)(given.drop(columns="qinstruction"))
        out = InstrerankTransformer(reranker, instruction_attr="qinstruction")(given)
        assert out["score"].tolist() == plain["score"].tolist()
