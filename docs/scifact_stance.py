"""Make a study from SciFact's stance labels: instructions ask for abstracts that support or contradict a claim.

python docs/scifact_stance.py STANCE.tsv CORPUS.jsonl FOLDER
instrerank study FOLDER/study.yaml --output FOLDER/study

STANCE.tsv has a header and the columns claim_id, claim, doc_id, label (SUPPORT, CONTRADICT; others are skipped).
For a supported claim, the own instruction asks for support and the changed one for contradiction, under which its
abstracts stop being relevant; for a contradicted claim the other way round. No claim has abstracts of both kinds.
"""

import csv
import sys
from pathlib import Path

import yaml

STANCES = {
    "SUPPORT": "Find abstracts that support the claim. Abstracts that contradict it are not relevant.",
    "CONTRADICT": "Find abstracts that contradict the claim. Abstracts that support it are not relevant.",
}


def main(stance: str, corpus: str, folder: str) -> None:
    """Write topics, instructions and qrels before and after the change, and the study's configuration."""
    with Path(stance).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["label"] in STANCES]
    claims = {row["claim_id"]: row["claim"] for row in rows}
    own = {row["claim_id"]: row["label"] for row in rows}
    opposite = {"SUPPORT": "CONTRADICT", "CONTRADICT": "SUPPORT"}
    lines = {
        "topics.tsv": [f"{qid}\t{claim}" for qid, claim in claims.items()],
        "instructions.original.tsv": [f"{qid}\t{STANCES[label]}" for qid, label in own.items()],
        "instructions.changed.tsv": [f"{qid}\t{STANCES[opposite[label]]}" for qid, label in own.items()],
        "qrels.original.txt": [f"{row['claim_id']} 0 {row['doc_id']} 1" for row in rows],
        "qrels.changed.txt": [f"{row['claim_id']} 0 {row['doc_id']} 0" for row in rows],
    }
    for name, content in lines.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(content) + "\n", encoding="utf-8")
    study = {
        "topics": f"{folder}/topics.tsv",
        "qrels": f"{folder}/qrels.original.txt",
        "corpus": corpus,
        "instructions": f"{folder}/instructions.original.tsv",
        "changed_instructions": f"{folder}/instructions.changed.tsv",
        "changed_qrels": f"{folder}/qrels.changed.txt",
        "name": "scifact-stance",
        "encoders": ["minilm"],
        "perturbations": ["typo-mixed"],
    }
    Path(folder, "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
