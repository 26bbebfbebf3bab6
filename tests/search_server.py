"""A server that speaks Anserini's and Pyserini's REST API v1, with their words for what goes wrong.

The requests and answers are those of Anserini 1.7.1's `io.anserini.api.RestServer`, which tests/anserini/test_rest.py
asks the same questions; access tokens and `429` are Pyserini 2's.
"""

from __future__ import annotations

import json
import threading
import urllib.parse
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROUTE = "Expected route /v1/{index}/search or /v1/{index}/doc/{docid}"


class FakeServer:
    """What a server holds, what it will do next, and what it was asked.

    Attributes:
        indexes: stored documents (`raw`) by docid, by name of the index; a query finds those that contain its words.
        next: answers instead of the usual one, in order: a status with a body and headers, or a function of the
            handler.
        asked: path and query string of each request, with its headers.
        token: the access token that it wants.
    """

    def __init__(self, **indexes):
        self.indexes, self.next, self.asked, self.token = indexes, [], [], None

    def answer(self, path, query, headers):
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"error": "Unauthorized. To request an access token, email get-pyserini@googlegroups.com."}
        parts = path.split("/")
        if len(parts) != 4 or parts[1] != "v1" or parts[3] != "search":
            return 404, {"error": ROUTE}
        index = urllib.parse.unquote(parts[2])
        if not query.get("query", "").strip():
            return 400, {"error": "Parameter 'query' is required"}
        if index not in self.indexes:
            return 400, {"error": f"Unable to open index: {index}"}
        words = query["query"].lower().split()
        found = {docid: sum(map(str(raw).lower().count, words)) for docid, raw in self.indexes[index].items()}
        best = sorted((docid for docid in found if found[docid]), key=lambda docid: (-found[docid], docid))
        candidates = [
            {"docid": docid, "score": found[docid] / 4, "rank": rank, "doc": self.indexes[index][docid]}
            for rank, docid in enumerate(best[: int(query.get("hits", 10))], start=1)
        ]
        return 200, {"api": "v1", "index": index, "query": {"text": query["query"]}, "candidates": candidates}


@contextmanager
def serving(fake):
    """Serve on a free port of this machine, and yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            fake.asked.append((self.path, dict(self.headers)))
            now = fake.next.pop(0) if fake.next else None
            if callable(now):
                now(self)
                return
            status, body, headers = now or (*fake.answer(path, dict(urllib.parse.parse_qsl(query)), self.headers), {})
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": len(content), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def half(handler):
    """Announce more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"api": "v1", "candi')
    handler.close_connection = True


def hang_up(handler):
    """Say nothing."""
    handler.close_connection = True
