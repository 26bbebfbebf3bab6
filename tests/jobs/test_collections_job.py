"""`collections`: what each name has, from metadata alone."""

import json
import socket

import pytest

from instrerank.cli import main
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.jobs.collections import list_collections

pytest.importorskip("mteb")
pytest.importorskip("ir_datasets")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("the network is not for a list of names")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_each_name_is_listed_with_what_it_has():
    listed = {each.name: each for each in list_collections()}
    assert len(listed) == len(list_collections())
    assert listed["pocket"][1:] == (30, 360, True, True, True, 0, "")
    assert listed["mteb:Core17InstructionRetrieval"][1:] == (20, 19899, True, True, True, 1000, "p-MRR")
    assert listed["mteb:mFollowIRCrossLingual/eng-fas"].topics == 40
    assert listed["mteb:InstructIR"][3:] == (True, True, False, 0, "robustness_at_10")
    assert listed["mteb:NevIR"][4:] == (False, False, 2, "paired_accuracy")
    assert listed["mteb:MSMARCOv2/dev"].candidates == 0
    assert listed["irds:beir/scifact/test"][1:] == (300, 5183, True, False, False, 0, "")
    assert listed["irds:disks45/nocr/trec-robust-2004"].instructions
    assert listed["irds:msmarco-passage/trec-dl-2019"].candidates is None
    assert listed["irds:vaswani"].passages == 11429
    assert "mteb:ImdbClassification" not in listed


def test_the_verb_lists_names_with_a_word_in_them(capsys):
    assert main(["collections", "INSTRUCTIONretrieval", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [
        f"mteb:{name}InstructionRetrieval" for name in ("Core17", "News21", "Robust04")
    ]
    assert rows[0]["changed"] is True
    assert main(["collections", "nevir"]) == 0
    assert "yes" in capsys.readouterr().out
    assert main(["collections", "no such collection"]) == 2


def test_what_is_not_installed_is_left_out_and_said(monkeypatch, caplog):
    def missing():
        raise MissingPrerequisiteError("irds: needs ir_datasets")

    monkeypatch.setattr("instrerank.jobs.collections.irds_catalogue", missing)
    assert {each.name.partition(":")[0] for each in list_collections()} == {"pocket", "mteb"}
    assert "not listed: irds: needs ir_datasets" in caplog.text
    with pytest.raises(InputError, match="no collection has 'vaswani' in its name"):
        list_collections("vaswani")
