"""Random small runs and qrels against the trec_eval binary inside the Anserini jar: every printed digit."""

import platform
import random
import subprocess
import zipfile

import pytest

from instrerank.anserini.jvm import anserini_jar
from instrerank.evaluation.measures import evaluate
from instrerank.trec import read_qrels, read_run

pytest.importorskip("pyserini")
pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="the jar's binary is for x86 Linux"
)

WITH_PARAMETERS = [
    *(
        "set_F.0.5",
        "set_F.2",
        "utility.1,-0.5,-1,0",
        "11pt_avg.0.1,0.5",
        "G.1=10",
        "ndcg_rel.1=1,2=3",
        "Rndcg.1=5,2=6",
    ),
    *("ndcg.1=1,2=3", "ndcg.1=0.5,2=1.5", "iprec_at_recall.0.15,0.333", "Rprec_mult.0.2,1.5", "P.3,7", "infAP"),
    *("Rndcg.1=5,2=6", "relative_P.2,3", "success.1,2", "recall.4", "map_cut.5", "ndcg_cut.1,2,3"),
]


@pytest.fixture(scope="module")
def trec_eval(tmp_path_factory):
    program = "trec_eval/trec_eval-linux-amd64"
    folder = tmp_path_factory.mktemp("jar")
    with zipfile.ZipFile(anserini_jar()) as jar:
        jar.extract(program, folder)
    (folder / program).chmod(0o755)
    return folder / program


def write_files(folder, rng):
    """Write qrels and a run with ties, missing and unjudged topics, and qids in no order."""
    qids = rng.sample([f"{prefix}{n}" for prefix in ("", "a-", "é", "Z_") for n in range(50)], rng.randint(1, 20))
    docids = [*(f"d{n}" for n in range(rng.choice([3, 10, 60]))), "ü", "A", "10"]
    grades = rng.choice([[0, 1], [0, 1, 2, 3], [-3, -2, -1, 0, 1], [-1, 0, 1, 2], [0, 1, 7, 50]])
    first, *others = qids
    judged = [first, *(qid for qid in others if rng.random() < 0.9)]
    with (folder / "qrels").open("w") as file:
        for qid in judged:
            for docid in rng.sample(docids, rng.randint(1, len(docids))):
                file.write(f"{qid} 0 {docid} {rng.choice(grades)}\n")
    with (folder / "run").open("w") as file:
        for qid in [first, *(qid for qid in others if rng.random() < 0.85), "unjudged"]:
            for docid in rng.sample(docids, rng.randint(1, len(docids))):
                file.write(f"{qid} Q0 {docid} 1 {rng.choice([round(rng.random(), 2), rng.random() * 1e-3])} t\n")


@pytest.mark.parametrize("seed", range(60))
def test_every_digit(trec_eval, tmp_path, seed):
    rng = random.Random(seed)
    write_files(tmp_path, rng)
    level, depth = rng.choice([1, 1, 2]), rng.choice([None, None, 1, 5])
    for measure in ("all_trec", rng.choice(WITH_PARAMETERS)):
        cut = ["-M", str(depth)] if depth else []
        command = [trec_eval, "-c", "-q", "-l", str(level), *cut, "-m", measure, tmp_path / "qrels", tmp_path / "run"]
        done = subprocess.run(command, capture_output=True, text=True)
        run, qrels = read_run(tmp_path / "run"), read_qrels(tmp_path / "qrels")
        ours = evaluate(run, qrels, [measure], relevance_level=level, max_docs=depth)
        if done.returncode:
            assert any(max(grades.values()) < 0 for grades in qrels.values()), "nothing else ends trec_eval"
            continue
        rows = [[column.strip() for column in line.split("\t")] for line in done.stdout.splitlines()]
        theirs = {(name, qid): value for name, qid, value in rows if name not in ("runid", "relstring")}
        values = {qid: ours.means if qid == "all" else ours.per_query[qid] for _, qid in theirs}
        assert theirs == {
            (name, qid): f"{values[qid][name]:.{0 if name.startswith('num_') else 4}f}" for name, qid in theirs
        }
