"""A run and its sidecar: how it was made, and what may replace it."""

import pytest

from instrerank.errors import InputError
from instrerank.jobs.sidecar import configuration, read_sidecar, settle_run, sidecar_path, write_run_with_sidecar
from instrerank.trec import Run, ScoredDoc, write_run

RUN = Run("tag", {"1": [ScoredDoc("d", 1.0)]})
WANTED = configuration("tag", [], {})


def write(path, run=RUN, **more):
    command = ["instrerank", "rerank", "--instruction", "no ads"]
    write_run_with_sidecar(path, run, retrieval=[], data={}, counts={}, command=command, **more)
    return path


def settle(path, wanted=WANTED, resume=False, overwrite=False):
    return settle_run(path, wanted, resume=resume, overwrite=overwrite)


def test_the_command_can_be_typed_again(tmp_path):
    path = write(tmp_path / "run.txt")
    assert read_sidecar(path)["implementation"]["executable"]["cmd"] == "instrerank rerank --instruction 'no ads'"


def test_a_finished_run_is_left_alone_on_resume_and_may_be_written_again(tmp_path):
    path = write(tmp_path / "run.txt")
    assert settle(path, resume=True) is True
    assert settle(path) is False
    assert settle(tmp_path / "new.txt") is False


def test_what_another_configuration_made_is_refused(tmp_path):
    path = write(tmp_path / "run.txt")
    other = configuration("other", [], {})
    for resume in (True, False):
        with pytest.raises(InputError, match="another configuration"):
            settle(path, other, resume=resume)
    assert settle(path, other, overwrite=True) is False


@pytest.mark.parametrize("content", ["", "1 Q0 d 1 1 tag", "1 Q0 other 1 1 tag\n"], ids=["empty", "cut", "foreign"])
def test_a_run_that_is_not_what_its_sidecar_says_never_passes_as_done(tmp_path, content):
    path = write(tmp_path / "run.txt")
    path.write_text(content)
    assert settle(path, resume=True) is False
    with pytest.raises(InputError, match="does not match its sidecar"):
        settle(path)


def test_a_file_without_sidecar_is_somebody_elses(tmp_path):
    write_run(tmp_path / "run.txt", RUN)
    for resume in (True, False):
        with pytest.raises(InputError, match="no readable sidecar"):
            settle(tmp_path / "run.txt", resume=resume)
    assert settle(tmp_path / "run.txt", overwrite=True) is False


def test_a_kill_between_sidecar_and_run_is_resumed(tmp_path, monkeypatch):
    path = tmp_path / "run.txt"

    def killed(self, target):
        if target == path:
            raise KeyboardInterrupt
        return rename(self, target)

    rename = type(path).replace
    monkeypatch.setattr(type(path), "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(path)
    monkeypatch.undo()
    assert sidecar_path(path).exists() and not path.exists()
    assert settle(path, resume=True) is False
    assert settle(write(path), resume=True) is True


def test_a_stream_has_no_sidecar(tmp_path, capsys):
    assert settle("/dev/null") is False
    write("/dev/null")
    assert not sidecar_path("/dev/null").exists()
    write("-")
    assert capsys.readouterr().out == "1 Q0 d 1 1 tag\n"
