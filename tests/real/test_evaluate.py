"""`evaluate` against the trec_eval binary inside the Anserini jar: digit for digit, measure by measure."""

import subprocess
import zipfile

import pytest

from instrerank.anserini.jvm import anserini_jar
from instrerank.evaluation.measures import evaluate
from instrerank.trec import Run, read_qrels, read_run, write_run

pytestmark = pytest.mark.real

STRINGS = ("runid", "relstring")


@pytest.fixture(scope="module")
def trec_eval(tmp_path_factory):
    program = "trec_eval/trec_eval-linux-amd64"
    folder = tmp_path_factory.mktemp("jar")
    with zipfile.ZipFile(anserini_jar()) as jar:
        jar.extract(program, folder)
    (folder / program).chmod(0o755)
    return folder / program


def cut(run, topics):
    """Leave the first few topics out."""
    return Run(run.tag, {qid: run.rankings[qid] for qid in sorted(run.rankings)[topics:]})


def tie(run):
    """Round scores so coarsely that most documents tie."""
    return Run(run.tag, {qid: [d._replace(score=round(d.score)) for d in docs] for qid, docs in run.rankings.items()})


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("change", [lambda run: run, tie, lambda run: cut(run, 5)], ids=["as is", "ties", "missing"])
@pytest.mark.parametrize("name", ["run.bm25.trec", "run.splade.trec"])
def test_every_measure_equals_trec_eval(data, trec_eval, tmp_path, name, change, level):
    qrels_file = data / "dl19" / "qrels.txt"
    run = change(read_run(data / "dl19" / name))
    write_run(tmp_path / "run", run)
    ours = evaluate(run, read_qrels(qrels_file), ["all_trec"], relevance_level=level)

    command = [trec_eval, "-c", "-q", "-l", str(level), "-m", "all_trec", qrels_file, tmp_path / "run"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [[column.strip() for column in line.split("\t")] for line in printed.splitlines()]
    theirs = {(name, qid): value for name, qid, value in rows if name not in STRINGS}
    assert len(theirs) > 3000
    values = {qid: ours.means if qid == "all" else ours.per_query[qid] for _, qid in theirs}
    digits = {(name, qid): f"{values[qid][name]:.{0 if name.startswith('num_') else 4}f}" for name, qid in theirs}
    assert digits == theirs
