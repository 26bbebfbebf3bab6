"""The client of Anserini's and Pyserini's REST API: against a server made up here, and Anserini's own."""

import json
import socket
import subprocess
import threading

import pytest
from search_server import FakeServer, half, hang_up, serving

from instrerank.anserini import BM25Searcher, IndexPassages, find_java, rest
from instrerank.anserini.jvm import anserini_jar
from instrerank.anserini.rest import Candidate, SearchServer
from instrerank.errors import InputError, InstrerankError, MissingPrerequisiteError

MOON = json.dumps({"id": "d1", "contents": "Tides follow the moon."})
SEGMENT = json.dumps({"docid": "d#2", "url": "u", "title": "Bread", "headings": "h", "segment": "Moon, moon."})
FOUND = [Candidate("d#2", 0.5, "Bread Moon, moon."), Candidate("d1", 0.25, "Tides follow the moon.")]


@pytest.fixture
def fake():
    return FakeServer(tides={"d1": MOON, "d#2": SEGMENT, "d3": None})


@pytest.fixture
def url(fake):
    with serving(fake) as address:
        yield address


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """The waits between two attempts, without waiting."""
    seconds = []
    monkeypatch.setattr(rest.time, "sleep", seconds.append)
    monkeypatch.delenv(rest.TOKEN, raising=False)
    return seconds


def test_documents_scores_and_texts(fake, url):
    assert SearchServer(f"{url}/v1/", "tides").search("moon", 5) == FOUND
    assert SearchServer(url, "tides").search("moon", 1) == FOUND[:1]
    assert SearchServer(url, "tides").search("zzz", 5) == []
    (path, headers), *_ = fake.asked
    assert path == "/v1/tides/search?query=moon&hits=5&parse=false"
    assert "Authorization" not in headers


def test_queries_and_names_of_any_characters(fake, url):
    fake.indexes["/data/índex 1"] = {"d1": MOON}
    assert [each.docid for each in SearchServer(url, "/data/índex 1").search("moon & tides?#é", 5)] == ["d1"]


def test_a_document_without_stored_text_and_one_that_comes_parsed(fake, url):
    fake.next = [(200, {"candidates": [{"docid": "a", "score": 1, "rank": 1, "doc": None}]}, {})]
    assert SearchServer(url, "tides").search("moon", 5) == [Candidate("a", 1.0, None)]
    parsed = {"docid": "a", "score": 1, "rank": 1, "doc": {"title": "Bread", "segment": "Moon."}}
    fake.next = [(200, {"candidates": [parsed]}, {})]
    assert SearchServer(url, "tides").search("moon", 5)[0].text == "Bread Moon."


def test_a_token_of_the_environment_goes_to_this_host_only(fake, url, monkeypatch):
    fake.token = "secret"
    with pytest.raises(MissingPrerequisiteError, match="requires a valid access token .*set PYSERINI_API_TOKEN"):
        SearchServer(url, "tides").search("moon", 5)
    monkeypatch.setenv(rest.TOKEN, "secret\n")
    assert SearchServer(url, "tides").search("moon", 5) == FOUND
    elsewhere = FakeServer(tides={"d1": MOON})
    with serving(elsewhere) as other:
        fake.next = [(302, b"", {"Location": f"{other}/v1/tides/search?query=moon"})]
        SearchServer(url, "tides").search("moon", 5)
    assert "Authorization" not in elsewhere.asked[0][1]


def test_what_may_pass_is_asked_again(fake, url, waits, caplog):
    fake.next = [
        (503, b"<h1>starting</h1>", {}),
        (429, {"error": "Server overloaded. Please retry later."}, {"Retry-After": "7"}),
        half,
        hang_up,
    ]
    assert SearchServer(url, "tides").search("moon", 5) == FOUND
    assert waits == [1, 7, 4, 8]
    assert "429 Too Many Requests; asking again in 7 s" in caplog.text
    fake.next = [(429, {"error": "x"}, {"Retry-After": "86400"})]
    SearchServer(url, "tides").search("moon", 5)
    assert waits[-1] == 300


def test_a_slow_server(fake, url):
    over = threading.Event()
    fake.next = [lambda handler: over.wait(30)] * 2
    try:
        with pytest.raises(MissingPrerequisiteError, match=r"does not answer \(timed out, 2 attempts\)"):
            SearchServer(url, "tides", timeout=0.05, attempts=2).search("moon", 5)
    finally:
        over.set()


def test_no_server(waits):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(MissingPrerequisiteError, match=r"does not answer \(Connection refused, 5 attempts\)"):
        SearchServer(f"http://127.0.0.1:{port}", "tides").search("moon", 5)
    assert waits == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ((500, {"error": "maxClauseCount is set to 1024"}, {}), InstrerankError, "failed on a query: maxClauseCount"),
        ((503, b"", {}), MissingPrerequisiteError, r"does not answer \(503 Service Unavailable, 5 attempts\)"),
        ((400, {"error": "Index not configured for this server: tides"}, {}), InputError, "cannot search the index"),
        (
            (400, {"error": "Parameter 'hits' must be an integer"}, {}),
            InputError,
            "refuses to search tides: Parameter",
        ),
        ((414, b"<h1>Bad Message 414</h1>", {}), InputError, "refuses to search tides: 414 "),
        ((404, {"detail": "Not Found"}, {}), InputError, "404 Not Found; is it a server of Anserini 1.7 or"),
        ((200, b"<html>welcome</html>", {}), InputError, "answer of http.*not JSON"),
        ((200, b"\xff\xfe", {}), InputError, "not JSON"),
        ((200, [], {}), InputError, r"expected an object with candidates, got '\[\]'"),
        ((200, {"hits": []}, {}), InputError, "is it a server of Anserini 1.7"),
        ((200, {"candidates": ["d1"]}, {}), InputError, "expected candidates with docid, score and doc, got 'd1'"),
        ((200, {"candidates": [{"docid": 7, "score": 1}]}, {}), InputError, "expected candidates with docid"),
        ((200, {"candidates": [{"docid": "d", "score": "1"}]}, {}), InputError, "expected candidates with docid"),
        ((200, {"candidates": [{"docid": "d", "score": True}]}, {}), InputError, "expected candidates with docid"),
        ((200, b'{"candidates": [{"docid": "d", "score": NaN}]}', {}), InputError, "docid d has the score nan"),
        ((200, {"candidates": [{"docid": "d 1", "score": 1}]}, {}), InputError, "contains whitespace"),
        ((200, {"candidates": [{"docid": "d", "score": 1}] * 2}, {}), InputError, "duplicate docid d"),
        ((200, {"candidates": [{"docid": "d", "score": 1, "doc": 3}]}, {}), InputError, "document d is int"),
        ((200, {"candidates": [{"docid": "d", "score": 1, "doc": '{"a": 1}'}]}, {}), InputError, "found a, docid"),
        ((200, b'{"candidates": [{"docid": "\\ud83d", "score": 1}]}', {}), InputError, "unpaired surrogate"),
    ],
)
def test_answers_that_are_refused(fake, url, answer, kind, message):
    fake.next = [answer] * 5
    with pytest.raises(kind, match=message) as raised:
        SearchServer(url, "tides").search("moon", 5)
    assert raised.value.exit_code == kind.exit_code


@pytest.mark.parametrize("url", ["localhost:8081", "file:///etc", "http://", "http://host/?a=1", "ftp://host"])
def test_what_is_not_an_address(url):
    with pytest.raises(InputError, match="`server` must be an address"):
        SearchServer(url, "tides")


def test_a_password_in_the_address_is_refused_and_not_shown():
    with pytest.raises(InputError, match="must not contain a password") as error:
        SearchServer("http://me:secret@host", "tides")
    assert "secret" not in str(error.value)


@pytest.mark.java
def test_anserinis_own_server_finds_what_the_index_holds(index):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    java = [
        find_java().home / "bin" / "java",
        "-cp",
        anserini_jar(),
        "io.anserini.api.RestServer",
        "--host",
        "127.0.0.1",
    ]
    with subprocess.Popen(
        [*map(str, java), "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            while process.stdout and b"listening" not in (line := process.stdout.readline()):
                assert line, "the server ended"
            url = f"http://127.0.0.1:{port}"
            served, here = SearchServer(url, str(index)), BM25Searcher(index)
            for query in ("moon tides", "bread oven", "rocket 😀", "zzz"):
                found = served.search(query, 10)
                assert sorted((each.docid, each.score) for each in found) == sorted(
                    (docid, pytest.approx(score, abs=1e-4)) for docid, score in here.search(query, 10)
                )
                docids = [each.docid for each in found]
                assert {each.docid: each.text for each in found} == IndexPassages(index).lookup(docids)
            with pytest.raises(InputError, match="cannot search the index nowhere: Unable to open index: nowhere"):
                SearchServer(url, "nowhere").search("moon", 10)
            with pytest.raises(InputError, match="Parameter 'query' is required"):
                served.search(" ", 10)
        finally:
            process.terminate()
