"""The commands of docs/integrations.md whose data are elsewhere, over data of the same form that is made up here."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from search_server import FakeServer, serving

import instrerank as ir
from instrerank.cli import main
from instrerank.evaluation.infosearch import gold_documents, sicr_by_topic, wise_by_topic
from instrerank.evaluation.instructions import changed_documents

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"


def run_block(word, **replaced):
    """Run the commands of the block that contains a word, after replacing others."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = [each for each in blocks if word in each]
    for old, new in replaced.items():
        block = block.replace(old, new)
    for line in block.replace("\\\n", "").splitlines():
        program, *words = shlex.split(line, comments=True)
        if program == "instrerank":
            assert main(words) == 0, words


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_run_for_trec_rag_from_a_server():
    Path("trec_rag_2026_queries.tsv").write_text("rag2026-0\tHow do tides form, and who cares?\nrag2026-1\tBread\n")
    texts = {"shard_00459_61697": "Tides form by the moon.", "shard_1_2": "Bread rests.", "shard_1_3": "Bread, tides."}
    stored = {docid: json.dumps({"id": docid, "contents": text}) for docid, text in texts.items()}
    with serving(FakeServer(**{"climbmix-400b": stored})) as url:
        run_block("--server", **{"http://localhost:8081": url})
    assert len(Path("r_output_trec_rag_2026.tsv").read_text().splitlines()) == 4


@pytest.fixture
def infosearch():
    """A dimension of InfoSearch in the form that its loader (HFDataLoaderInstructions) reads."""
    subjects = {"1": "tides", "2": "bread", "3": "owls"}
    with Path("corpus.jsonl").open("w") as corpus, Path("queries.jsonl").open("w") as queries:
        for qid, subject in subjects.items():
            for reader in ("children", "experts"):
                text = f"What {reader} should know about {subject}."
                corpus.write(json.dumps({"_id": f"{qid}-{reader}", "title": subject, "text": text}) + "\n")
            instructions = {"instruction_og": "", "instruction_changed": "For children.", "keywords": ""}
            instructions["instruction_reversed"] = "Not for children."
            queries.write(json.dumps({"_id": qid, "text": f"all about {subject}", **instructions}) + "\n")
    for mode, relevant in {"og": ("children", "experts"), "changed": ("children",), "reversed": ("experts",)}.items():
        Path(f"qrels_{mode}").mkdir()
        with Path(f"qrels_{mode}/test.tsv").open("w", newline="") as file:
            rows = csv.writer(file, delimiter="\t", lineterminator="\n")
            rows.writerow(["query-id", "corpus-id", "score"])
            for qid in subjects:
                rows.writerows([qid, f"{qid}-{each}", int(each in relevant)] for each in ("children", "experts"))
    blocks = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    exec(*[each for each in blocks if "run.all.txt" in each], {})


def test_infosearch_by_files(infosearch, capsys):
    run_block("queries.jsonl:reversed", **{"ndcg_cut.10": "ndcg_cut.10 --json"})
    (row,) = json.loads(capsys.readouterr().out)
    runs = [ir.load_run(f"run.{mode}.txt") for mode in ("original", "changed", "reversed")]
    assert [sum(run.sizes.values()) for run in runs] == [18, 18, 18]
    qrels = [ir.load_qrels(f"qrels_{mode}/test.tsv") for mode in ("og", "changed")]
    gold, excluded = gold_documents(*qrels), changed_documents(*qrels)
    assert gold == {qid: [f"{qid}-children"] for qid in "123"}
    assert excluded == {qid: [f"{qid}-experts"] for qid in "123"}
    for name, values in {"SICR": sicr_by_topic(*runs, gold), "WISE": wise_by_topic(*runs, gold, excluded)}.items():
        assert 100 * sum(values.values()) / 3 == pytest.approx(next(row[key] for key in row if name in key), abs=0.01)


def test_a_set_in_followirs_form_by_files(infosearch):
    filled = Path("queries.jsonl").read_text().replace('"instruction_og": ""', '"instruction_og": "For anyone."')
    Path("queries.jsonl").write_text(filled)
    run_block("queries.jsonl:original")
    table = Path("followed/tables/fixed/instructions.csv").read_text()
    assert "minilm,changed,p_mrr," in table
