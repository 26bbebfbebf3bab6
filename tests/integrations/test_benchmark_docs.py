"""The commands of docs/integrations.md whose data are elsewhere, over data of the same form that is made up here."""

import json
import re
import shlex
from pathlib import Path

import pytest
from search_server import FakeServer, serving

from instrerank.cli import main

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
