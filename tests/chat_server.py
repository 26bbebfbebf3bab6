"""A server of this machine that speaks as much of OpenAI's chat completions as a client asks for, well or badly."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ChatServer:
    """Replies to each message with what `reply` returns for it.

    A text is the content of a completion; a mapping replaces the whole choice; (status, body, headers) is sent as it
    is, bytes too; None leaves the client waiting.

    Attributes:
        reply: maps the message, and the number of times it was asked before, to a reply.
        requests: the bodies received, each with the header `authorization`.
    """

    def __init__(self) -> None:
        self.reply = lambda message, before: f"reworded {message.rpartition('Query: ')[2]}"
        self.requests: list[dict] = []
        self._closing = threading.Event()
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                message = body["messages"][0]["content"]
                before = sum(message == request["messages"][0]["content"] for request in chat.requests)
                chat.requests.append(body | {"authorization": self.headers["authorization"], "path": self.path})
                reply = chat.reply(message, before)
                if reply is None:
                    chat._closing.wait(10)
                    return
                if isinstance(reply, str):
                    reply = {"message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}
                if isinstance(reply, dict):
                    reply = (200, {"id": "1", "object": "chat.completion", "choices": [{"index": 0, **reply}]}, {})
                if isinstance(reply, bytes):
                    reply = (200, reply, {})
                status, content, headers = reply
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()


def error(status: int, message: str = "no", code: str | None = None) -> tuple:
    """Return an error as OpenAI's services word it, to be tried again at once."""
    return status, {"error": {"message": message, "code": code}}, {"retry-after-ms": "1"}
