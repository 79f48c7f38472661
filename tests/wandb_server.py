"""A W&B server of the tests' own, as far as its client asks: it keeps the history of runs."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Stored:
    """What the server holds of one run."""

    config: str = "{}"
    tags: list[str] = field(default_factory=list)
    history: dict[int, str] = field(default_factory=dict)  # line number -> JSON
    summary: str = "{}"
    artifacts: list[str] = field(default_factory=list)
    sessions: int = 0

    def rows(self) -> list[dict[str, Any]]:
        """The history in its order."""
        return [json.loads(self.history[line]) for line in sorted(self.history)]


class Server:
    """The server's state; with ``refuse`` it answers everything with that HTTP status."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.runs: dict[str, Stored] = {}
        self.views: list[dict[str, Any]] = []
        self.refuse: int | None = None
        self.url = ""

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL answer."""
        if operation == "UpsertView2":
            self.views.append(given)
            view = {"id": "v", "name": given["name"]}
            return {"upsertView": {"view": view, "inserted": True}}
        return self._about_runs(operation, given)

    def _about_runs(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "me"}}
        match operation:
            case "Viewer":
                who = {"id": "me", "entity": "me", "username": "me", "flags": "{}"}
                return {"viewer": {**who, "teams": {"edges": []}}}
            case "RunResumeStatus":
                found = self.runs.get(given["name"])
                return {"model": {**project, "bucket": found and _bucket(given["name"], found)}}
            case "UpsertBucket":
                run = self.runs.setdefault(given["name"], Stored())
                if given.get("config"):
                    run.config = given["config"]
                run.tags = given.get("tags") or run.tags
                bucket = {
                    "id": given["name"],
                    "name": given["name"],
                    "displayName": "",
                    "config": run.config,
                }
                return {
                    "upsertBucket": {"bucket": {**bucket, "project": project}, "inserted": True}
                }
            case "CreateRunFiles":
                files = [
                    {"name": name, "uploadUrl": f"{self.url}/upload"} for name in given["files"]
                ]
                made = {"runID": given["run"], "uploadHeaders": [], "files": files}
                return {"createRunFiles": made}
            case "CreateArtifact":
                (name,) = given["input"]["artifactCollectionNames"] or [""]
                self.runs[given["input"]["runName"]].artifacts.append(name)
                return {"createArtifact": {"artifact": {"id": "a", "state": "COMMITTED"}}}
            case "ArtifactType":
                return {"project": None}
            case _:
                return {}

    def leave_once_used(self) -> None:
        """Wait until a run has begun here, then answer nothing any more."""
        for _ in range(300):
            if self.runs:
                break
            time.sleep(0.1)
        self.refuse = 503

    def take(self, name: str, sent: dict[str, Any]) -> None:
        """Add what the client streams of a run."""
        run = self.runs.setdefault(name, Stored())
        files = sent.get("files") or {}
        lines = files.get("wandb-history.jsonl")
        if lines:
            for number, line in enumerate(lines["content"], lines["offset"]):
                assert number not in run.history, f"line {number} is sent twice"
                run.history[number] = line
        if summary := files.get("wandb-summary.json"):
            run.summary = summary["content"][-1]
        run.sessions += bool(sent.get("complete"))


def _bucket(name: str, run: Stored) -> dict[str, Any]:
    tail = [run.history[line] for line in sorted(run.history)][-1:]
    return {
        "id": name, "name": name, "summaryMetrics": run.summary, "displayName": name,
        "logLineCount": 0, "historyLineCount": len(run.history), "eventsLineCount": 0,
        "historyTail": json.dumps(tail), "eventsTail": "[]", "config": run.config,
        "tags": run.tags, "notes": "", "wandbConfig": '{"t": {"value": {}}}',
    }  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Takes the client's calls to the server's state."""

    def __init__(self, server: Server, *connection: Any) -> None:
        """Answer one connection."""
        self._state = server
        super().__init__(*connection)

    def do_POST(self) -> None:
        """GraphQL, streamed files, and a call of the tests' own."""
        body = self._body()
        if self.path == "/leave-once-used":
            self._state.leave_once_used()
            self._send({}, 200)
        elif self._state.refuse is not None:
            self._send({"errors": [{"message": "refused"}]}, self._state.refuse)
        elif self.path.endswith("/file_stream"):
            self._state.take(self.path.split("/")[-2], json.loads(body))
            self._send({}, 200)
        elif self.path == "/graphql":
            asked = json.loads(body)
            found = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
            answer = self._state.answer(found[1] if found else "", asked.get("variables") or {})
            self._send({"data": answer}, 200)
        else:
            self._send({}, 404)

    def do_PUT(self) -> None:
        """A file; it is not kept."""
        self._body()
        self._send({}, 200)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _send(self, content: Any, status: int) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on a free port of this machine for as long as the block lasts, and a key for it."""
    server = Server()

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, server))
    server.url = f"http://127.0.0.1:{http.server_port}"
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", "feedface" * 5)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
