"""Topics, qrels and prebuilt indexes by Pyserini's names: its cache, a local stand-in for its downloads, offline."""

import functools
import hashlib
import http.server
import tarfile
import threading
from importlib.metadata import version

import pytest

from instrerank import collections
from instrerank.anserini import names
from instrerank.collections import POCKET
from instrerank.errors import InputError

PYSERINI_2 = version("pyserini").startswith("2")
TOPICS = "19335\tanthropological definition of environment\n47923\taxon terminals or synaptic knob definition\n"
QRELS = "19335 Q0 1017759 0\n19335 Q0 1082489 2\n"

NAMES = """
import sys
from instrerank.anserini import start_jvm
from instrerank.collections import load_instructions, load_qrels, load_topics
from instrerank.anserini.jvm import java_class
from instrerank.errors import InstrerankError
start_jvm()
# Anserini 1 looks for its cache in the home folder that Java knows, Pyserini 2 asks the web server of castorini
system = java_class("java.lang.System")
system.setProperty("user.home", sys.argv[1])
for protocol in ("http", "https"):
    system.setProperty(f"{protocol}.proxyHost", "127.0.0.1")
    system.setProperty(f"{protocol}.proxyPort", "9")
for load, name in ((load_topics, "dl19-passage"), (load_qrels, "dl19-passage"), (load_instructions, "dl19-passage"),
                   (load_topics, "dl20-passage"), (load_qrels, "dl20-passage"), (load_topics, "nope")):
    try:
        print(load.__name__, name, load(name))
    except InstrerankError as error:
        print(load.__name__, name, error.exit_code, error)
"""

NO_NETWORK = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


@pytest.mark.java
def test_names_in_the_cache_are_read_and_others_are_out_of_reach_offline(python, tmp_path):
    cache = tmp_path / ".cache" / "pyserini" / "topics-and-qrels"
    cache.mkdir(parents=True)
    (cache / "topics.dl19-passage.txt").write_text(TOPICS)
    (cache / "qrels.dl19-passage.txt").write_text(QRELS)
    done = python(NAMES, tmp_path, **NO_NETWORK)
    if PYSERINI_2:  # its tables of names lie in the network too
        assert done.stdout.count(" 3 no such file: ") == 6
        return
    topics, qrels, instructions, no_topics, no_qrels, unknown = done.stdout.splitlines()
    assert topics == (
        "load_topics dl19-passage [Topic(qid='19335', text='anthropological definition of environment', "
        "instruction=''), Topic(qid='47923', text='axon terminals or synaptic knob definition', instruction='')]"
    )
    assert qrels == "load_qrels dl19-passage {'19335': {'1017759': 0, '1082489': 2}}"
    assert instructions.endswith("2 dl19-passage: not every topic has a narrative; fields of the topics: title")
    for line in (no_topics, no_qrels):
        assert " 3 no such file: dl20-passage" in line
        assert "with network access" in line
    assert unknown == "load_topics nope 2 cannot read nope: no such file, and Pyserini has no topics of that name"


@pytest.mark.parametrize("source", ["nowhere.tsv", "folder/nowhere", "topics.dl19.txt.gz"])
def test_what_looks_like_a_file_never_starts_java(source, monkeypatch):
    monkeypatch.setattr(names, "start_jvm", pytest.fail)
    with pytest.raises(InputError):
        collections.load_topics(source)


def test_files_and_bundled_names_come_first(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "start_jvm", pytest.fail)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dl19-passage").write_text(TOPICS)
    assert [topic.qid for topic in collections.load_topics("dl19-passage")] == ["19335", "47923"]
    assert len(collections.load_instructions("pocket:changed")) == len(collections.load_qrels("pocket")) == 30
    assert len(collections.load_topics(POCKET / "topics.tsv")) == 30


@pytest.mark.java
@pytest.mark.skipif(PYSERINI_2, reason="Pyserini 2 fetches its table of indexes when it is imported")
def test_a_prebuilt_index_is_downloaded_once_and_offline_its_absence_is_told(python, index, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    with tarfile.open(served / "standin.tar.gz", "w:gz") as archive:
        archive.add(index, "standin")
    checksum = hashlib.md5((served / "standin.tar.gz").read_bytes()).hexdigest()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=served)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = """
import sys
from instrerank.anserini import BM25Searcher, start_jvm
from instrerank.errors import InstrerankError
start_jvm()
from pyserini import prebuilt_index_info, util
url, checksum = sys.argv[1:]
known = {"standin": {"urls": [url], "filename": "standin.tar.gz", "md5": checksum, "documents": 5}}
prebuilt_index_info.TF_INDEX_INFO = util.TF_INDEX_INFO = known
try:
    print([document.docid for document in BM25Searcher("standin").search("moon")])
except InstrerankError as error:
    print(error.exit_code, error)
"""
    url = f"http://127.0.0.1:{server.server_port}/standin.tar.gz"
    environment = {"PYSERINI_CACHE": str(tmp_path / "cache")}
    try:
        assert python(code, url, "0" * 32, **environment).stdout.startswith("3 no such folder: standin")
        first = python(code, url, checksum, **environment)
    finally:
        server.shutdown()
        server.server_close()
    assert first.stdout == "['d2', 'd1']\n", first.stderr
    assert python(code, url, checksum, **environment).stdout == first.stdout
    absent = python(code, url, checksum, PYSERINI_CACHE=str(tmp_path / "other"))
    assert absent.stdout.startswith("3 no such folder: standin")
