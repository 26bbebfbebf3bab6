"""A table is read back as it was written."""

import csv
import json

import pytest

from instrerank.errors import InputError
from instrerank.study.configuration import System
from instrerank.study.rows import CellMean, FailedRun, Robustness, TopicScore, system
from instrerank.study.table_files import read_table, write_table

CELLS = [
    CellMean("minilm", "none", "clean", None, None, None, 30, 0, "map", 0.1 + 0.2, "runs/fixed/a.txt"),
    CellMean("minilm", "own", "typo-mixed", "typo", "invariance", 2, 30, 29, "map", 1e-7, "runs/fixed/b.txt"),
]
STABLE = Robustness(
    *("minilm", "own", "typo-mixed", "typo", "invariance", False, 1, 0.5, "map"),
    *(0.0, 0.0, 0.0, None, None, None, None, None, None, 0, 30, 0, 0.0, None, 0.0, 1.0, 1.0, None),
)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("cells", CELLS),
        ("robustness", [STABLE, STABLE._replace(in_invariance=True)]),
        ("failed", [FailedRun("minilm", "none", "clean", None, 'two\nlines, "quoted"')]),
    ],
)
def test_rows_read_are_those_written(tmp_path, name, rows):
    write_table(tmp_path, name, rows)
    assert list(read_table(tmp_path / f"{name}.csv", type(rows[0]))) == rows


def test_the_columns_are_the_fields_in_order(tmp_path):
    write_table(tmp_path, "robustness", [STABLE])
    with (tmp_path / "robustness.csv").open(newline="") as file:
        assert next(csv.reader(file)) == list(Robustness._fields)
    (record,) = json.loads((tmp_path / "robustness.json").read_text())
    assert record == STABLE._asdict()


def test_long_tables_are_not_made_for_printing(tmp_path):
    write_table(tmp_path, "cells", CELLS)
    write_table(tmp_path, "robustness", [STABLE])
    suffixes = {name: {path.suffix for path in tmp_path.glob(f"{name}.*")} for name in ("cells", "robustness")}
    assert suffixes == {"cells": {".csv", ".json"}, "robustness": {".csv", ".json", ".md", ".tex"}}


def test_a_table_that_became_empty_is_removed(tmp_path):
    write_table(tmp_path, "failed", [FailedRun("minilm", "none", "clean", None, "full")])
    write_table(tmp_path, "failed", [])
    assert not list(tmp_path.iterdir())
    assert list(read_table(tmp_path / "failed.csv", FailedRun)) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("m,own,clean,,map,q1,", "line 2: score must be a number, got ''"),
        ("m,own,clean,1.5,map,q1,1", "line 2: seed must be a whole number, got '1.5'"),
        ("m,own,clean", "line 2: 3 fields, but the header has 7"),
    ],
)
def test_a_value_of_another_type_is_named(tmp_path, line, message):
    (tmp_path / "topics.csv").write_text(f"{','.join(TopicScore._fields)}\n{line}\n")
    with pytest.raises(InputError, match=message):
        list(read_table(tmp_path / "topics.csv", TopicScore))


def test_columns_are_found_by_name(tmp_path):
    (tmp_path / "topics.csv").write_text("qid,score,note,measure,seed,perturbation,instructions,encoder\n")
    with (tmp_path / "topics.csv").open("a") as file:
        file.write("q1,0.5,x,map,,clean,none,m\n")
    (row,) = read_table(tmp_path / "topics.csv", TopicScore)
    assert row == TopicScore("m", "none", "clean", None, "map", "q1", 0.5)
    assert system(row) == System("m", "none")
    assert str(system(row)) == "m/none"
