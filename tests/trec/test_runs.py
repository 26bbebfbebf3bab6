import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from instrerank.errors import InputError
from instrerank.trec import (
    Run,
    ScoredDoc,
    count_tied,
    read_qrels,
    read_run,
    trec_eval_order,
    write_qrels,
    write_run,
)
from instrerank.trec.runs import cut_run, remove_query

docids = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=4)
# neighbours around 0.85 differ by 6e-8 in float32: the close scores of E5 cosines
scores = st.one_of(st.integers(0, 5).map(lambda steps: 0.85 + steps * 2e-8), st.floats(-(2.0**40), 2.0**40, width=32))
rankings = st.lists(st.builds(ScoredDoc, docids, scores), unique_by=lambda document: document.docid, min_size=1)


def write(path, text):
    path.write_bytes(text.encode())
    return path


def test_order_is_score_then_docid_descending():
    ranking = [ScoredDoc("a", 1.0), ScoredDoc("b", 2.0), ScoredDoc("é", 1.0), ScoredDoc("z", 1.0 + 1e-9)]
    assert [document.docid for document in trec_eval_order(ranking)] == ["b", "é", "z", "a"]
    assert count_tied(ranking) == 3


@given(rankings)
def test_order_is_the_one_that_trec_eval_scores(ranking):
    """Every prefix of our order has the precision that trec_eval gives it, judged by any one relevant docid."""
    ordered = trec_eval_order(ranking)
    relevant = ordered[len(ordered) // 2].docid
    evaluator = pytrec_eval.RelevanceEvaluator({"q": {relevant: 1}}, {"recip_rank"})
    reciprocal = evaluator.evaluate({"q": {document.docid: float(document.score) for document in ranking}})["q"]
    assert reciprocal["recip_rank"] == pytest.approx(1 / (len(ordered) // 2 + 1))


@given(rankings)
def test_written_runs_read_back_in_the_same_order_with_the_same_float32(tmp_path_factory, ranking):
    path = tmp_path_factory.mktemp("run") / "run.txt"
    write_run(path, Run("tag", {"01": ranking}))
    assert read_run(path) == Run("tag", {"01": trec_eval_order(ranking)})
    first = path.read_bytes()
    write_run(path, Run("tag", {"01": ranking[::-1]}))
    assert path.read_bytes() == first


def test_columns_written(tmp_path):
    run = Run("minilm", {"007": [ScoredDoc("a", 0.1), ScoredDoc("b", np.float32(0.85).item())]})
    write_run(tmp_path / "r", run)
    assert (tmp_path / "r").read_text() == "007 Q0 b 1 0.850000024 minilm\n007 Q0 a 2 0.100000001 minilm\n"
    write_run(tmp_path / "m", run, "msmarco")
    assert (tmp_path / "m").read_text() == "007\tb\t1\n007\ta\t2\n"
    assert read_run(tmp_path / "m").rankings["007"] == [ScoredDoc("b", 1.0), ScoredDoc("a", 0.5)]


def test_bom_crlf_and_tabs_are_borne(tmp_path):
    path = write(tmp_path / "r", "\ufeff1\tQ0\ta\t1\t2.5\tt\r\n1  Q0 b 2 1e-3 t\r\n")
    assert read_run(path).rankings == {"1": [ScoredDoc("a", 2.5), ScoredDoc("b", np.float32(1e-3).item())]}


GOOD = "1 Q0 a 1 2.0 t\n"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1 Q0 a 2 1.0 t", "r:2: duplicate docid a for topic 1, first on line 1"),
        ("1 Q0 b 2 1.0", "r:2: 5 columns; expected 6"),
        ("1 Q0 b c 2 1.0 t", "r:2: 7 columns; expected 6"),
        ("1 Q0 b 2 high t", "r:2: score 'high' is not a number"),
        ("1 Q0 b 2 nan t", "r:2: score nan is not a finite number"),
        ("1 Q0 b 2 inf t", "r:2: score inf is not a finite number"),
        ("1 Q0 b 2 -1e39 t", "r:2: score -1e39 is not a finite number as float32"),
        (f"1 Q0 b {'9' * 5000} 1 t", "r:2: rank '999999999999999999999999999999999999999 is not a whole number"),
        ("1 Q0 b two 1.0 t", "r:2: rank 'two' is not a whole number"),
        # what Python reads and C does not, and the other way round
        ("1 Q0 b 1_0 1.0 t", "r:2: rank '1_0' is not a whole number"),
        ("1 Q0 b 2 1_0.0 t", "r:2: score '1_0.0' is not a number"),
        ("1 Q0 b 2 \u0661 t", "r:2: score '\u0661' is not a number"),
        ("1 Q0 b 2 0x1p3 t", "r:2: score '0x1p3' is not a number"),
        ("1 Q0 b\0 2 1.0 t", "r:2: contains NUL"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, complaint):
    with pytest.raises(InputError) as error:
        read_run(write(tmp_path / "r", GOOD + line + "\n"))
    assert complaint in str(error.value)


def test_all_problems_are_counted(tmp_path):
    with pytest.raises(InputError) as error:
        read_run(write(tmp_path / "r", GOOD + "x\n" * 5000))
    assert str(error.value).count("\n") == 3
    assert "and 4997 more" in str(error.value)


def test_empty_run(tmp_path):
    with pytest.raises(InputError, match="empty file"):
        read_run(write(tmp_path / "r", ""))


def test_first_stage_duplicates_keep_the_better_rank(tmp_path):
    path = write(tmp_path / "r", GOOD + "1 Q0 b 2 1.5 t\n1 Q0 a 3 1.0 t\n")
    assert read_run(path, keep_first_duplicate=True).rankings["1"] == [ScoredDoc("a", 2.0), ScoredDoc("b", 1.5)]


@pytest.mark.parametrize(
    ("ranking", "tag", "complaint"),
    [
        ([ScoredDoc("a", 1), ScoredDoc("a", 2)], "t", "duplicate docid a"),
        ([ScoredDoc("a b", 1)], "t", "contains whitespace"),
        ([ScoredDoc("a", float("nan"))], "t", "NaN"),
        ([ScoredDoc("a", 1e300)], "t", "infinite as float32"),
        ([ScoredDoc("a", 1)], "my tag", "run tag 'my tag'"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_trec_eval_would_refuse_is_not_written(tmp_path, ranking, tag, complaint):
    with pytest.raises(InputError, match=complaint):
        write_run(tmp_path / "r", Run(tag, {"1": ranking}))
    assert list(tmp_path.iterdir()) == []


def test_qrels_round_trip_and_problems(tmp_path):
    qrels = {"01": {"d1": 3, "d2": 0}, "2": {"d1": -1}}
    write_qrels(tmp_path / "q", qrels)
    assert read_qrels(tmp_path / "q") == qrels
    for text, complaint in [
        ("1 0 a 1\n1 0 a 2\n", ":2: duplicate judgement of a for topic 1, first on line 1"),
        ("1 0 a\n", ":1: 3 columns; expected 4"),
        ("1 0 a high\n", ":1: grade 'high'"),
        ("1 0 a 1_0\n", ":1: grade '1_0' is not a whole number"),
        ("1 0 a \u0663\n", ":1: grade '\u0663' is not a whole number"),
        (f"1 0 a {10**30}\n", ":1: grade .* is not a whole number"),
        ("1 0 a\0 1\n", ":1: contains NUL"),
        ("1 a 1\n", r":1: 3 columns; expected 4: qid 0 docid grade \(or qid docid grade under a header row"),
        ("1 1 a 1\n1 2 a 1\n", ":2: second judgement of a for topic 1, .* judgements by subtopic are not supported"),
        ("", "empty file"),
        ("query-id\tcorpus-id\tscore\n", "empty file"),
        ("query-id\tcorpus-id\tscore\n1\t0\ta\t1\n", ":2: 4 columns; expected 3: query-id corpus-id score"),
    ]:
        with pytest.raises(InputError, match=complaint):
            read_qrels(write(tmp_path / "bad", text))


@pytest.mark.parametrize(
    "text",
    [
        "query-id\tcorpus-id\tscore\n01\ta\t2\n01\tb\t-1\n",
        "\ufeffquery_id\titeration\tdoc_id\trelevance\r\n01\t0\ta\t2\r\n01\t0\tb\t-1\r\n",
        "docno label qid\na +2 01\nb -1 01\n",
        "01 0 a 2\n01 0 b -1\n",
    ],
)
def test_qrels_under_a_header_row(tmp_path, text):
    assert read_qrels(write(tmp_path / "q", text)) == {"01": {"a": 2, "b": -1}}


def test_the_document_whose_id_is_the_qid_goes():
    run = Run("t", {"a": [ScoredDoc("a", 3.0), ScoredDoc("b", 2.0)], "b": [ScoredDoc("a", 1.0)]})
    assert remove_query(run) == Run("t", {"a": [ScoredDoc("b", 2.0)], "b": [ScoredDoc("a", 1.0)]})


def test_a_cut_run_has_the_first_documents_in_trec_evals_order():
    run = Run("t", {"1": [ScoredDoc("a", 1.0), ScoredDoc("b", 1.0), ScoredDoc("c", 0.5)]})
    assert cut_run(run, 1).rankings == {"1": [ScoredDoc("b", 1.0)]}
    assert cut_run(run, None) is run
    with pytest.raises(InputError, match="`max_docs` must be at least 1, got 0"):
        cut_run(run, 0)


def test_a_score_that_is_no_number_has_no_order():
    with pytest.raises(InputError, match="score of document b is NaN"):
        trec_eval_order([ScoredDoc("a", 1.0), ScoredDoc("b", float("nan"))])


def test_repr_of_a_run():
    assert repr(Run("minilm", {"1": [ScoredDoc("a", 1.0)]})) == "Run('minilm': 1 topics, 1 documents)"
