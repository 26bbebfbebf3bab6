import json

import pytest

from instrerank.cli import main

TOPICS = "1\tgreen tea in Japan\n2\twho is it\n3\tblack tea in 1999\n"


@pytest.fixture
def topics(tmp_path):
    path = tmp_path / "topics.tea.tsv"
    path.write_text(TOPICS)
    return path


def test_writes_one_set_for_each_perturbation_and_seed(topics, tmp_path, capsys):
    output = tmp_path / "sets"
    arguments = ["--topics", str(topics), "--perturbations", "typo-mixed,case-upper", "--seeds", "1..2,5"]
    assert main(["perturb", *arguments, "--output", str(output)]) == 0
    names = [f"typo-mixed.s{n}" for n in (1, 2, 5)] + ["case-upper.s1"]
    expected = {f"topics.tea.{name}.{suffix}" for name in names for suffix in ("tsv", "jsonl")}
    assert {path.name for path in output.iterdir()} == expected | {"querysets.tea.jsonl"}
    records = [json.loads(line) for line in (output / "querysets.tea.jsonl").read_text().splitlines()]
    assert [(record["name"], record["changed"]) for record in records] == [
        *(("tea.typo-mixed.s1", 2), ("tea.typo-mixed.s2", 2), ("tea.typo-mixed.s5", 2), ("tea.case-upper.s1", 3))
    ]
    captured = capsys.readouterr()
    assert "66.7" in captured.out
    assert "4 query sets of 3 topics" in captured.err


def test_the_same_bytes_again(topics, tmp_path):
    for name in ("a", "b"):
        main(["perturb", "--topics", str(topics), "--perturbations", "all", "--output", str(tmp_path / name)])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_instructions_for_some_topics(topics, tmp_path, capsys):
    instructions = tmp_path / "instructions.tsv"
    instructions.write_text("1\tOnly sencha.\n3\tOnly assam.\n")
    arguments = [
        "--topics",
        str(topics),
        "--instructions",
        str(instructions),
        "--perturbations",
        "instruction-swapped",
    ]
    assert main(["perturb", *arguments, "--output", str(tmp_path / "sets")]) == 2
    assert "has no instruction for 1 of 3 topics: 2" in capsys.readouterr().err
    arguments += ["--missing", "skip"]
    assert main(["perturb", *arguments, "--output", str(tmp_path / "sets")]) == 0
    assert (tmp_path / "sets" / "topics.tea.instruction-swapped.s1.tsv").read_text() == (
        "1\tgreen tea in Japan\tOnly assam.\n2\twho is it\n3\tblack tea in 1999\tOnly sencha.\n"
    )
    assert "1 of them without an instruction" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--perturbations", "typo-mixt"], "Nearest: typo-mixed"),
        (["--perturbations", "instruction-negated"], "topics with instructions"),
        (["--perturbations", "typo-mixed", "--format", "csv"], "unknown format csv"),
        (["--perturbations", "typo-mixed", "--topics", "absent.tsv"], "cannot read absent.tsv"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(topics, tmp_path, capsys, arguments, said):
    assert main(["perturb", "--topics", str(topics), "--output", str(tmp_path / "sets"), *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("seeds", ["", "a", "3..1", "1-3"])
def test_bad_seeds(topics, tmp_path, capsys, seeds):
    assert main(["perturb", "--topics", str(topics), "--perturbations", "all", "--output", "x", "--seeds", seeds]) == 2
    assert "--seeds must be like 1,2,3 or 1..10" in capsys.readouterr().err


def test_list(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["perturb", "--list"])
    assert "typo-mixed" in capsys.readouterr().out
