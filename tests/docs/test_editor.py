"""The schema in a real editor's hands: completion, hover and faults from `yaml-language-server`.

It is an npm package (`npm install yaml-language-server@1.25.0`; 2.0.0 works, too). Where its command is not on the
PATH, nothing is tried.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from odefit.config.json_schema import SCHEMA_FILE

ROOT = Path(__file__).parents[2]
SERVER = shutil.which("yaml-language-server")

pytestmark = pytest.mark.skipif(SERVER is None, reason="yaml-language-server (npm) is not on the PATH")


class Editor:
    """A client of the Language Server Protocol: one document open at a time, requests answered one by one."""

    def __init__(self, folder: Path) -> None:
        pipe = subprocess.PIPE
        assert SERVER is not None
        self.process = subprocess.Popen([SERVER, "--stdio"], stdin=pipe, stdout=pipe)
        self.folder, self.numbers = folder, itertools.count(1)
        capabilities = {"textDocument": {"completion": {"completionItem": {"snippetSupport": True}}, "hover": {}}}
        uri = folder.as_uri()
        self.request("initialize", {"processId": None, "rootUri": uri, "capabilities": capabilities})
        self.notify("initialized", {})

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def open(self, text: str) -> list[str]:
        """A config with the comment that names the schema; gives what the editor underlines."""
        self.path = self.folder / f"config{next(self.numbers)}.yaml"
        self.lines = [f"# yaml-language-server: $schema={SCHEMA_FILE.as_uri()}", *text.splitlines()]
        document = {"uri": self.path.as_uri(), "languageId": "yaml", "version": 1, "text": "\n".join(self.lines)}
        self.notify("textDocument/didOpen", {"textDocument": document})
        while True:
            message = self.receive()
            about = message.get("params", {})
            if message.get("method") == "textDocument/publishDiagnostics" and about["uri"] == self.path.as_uri():
                return [f"{d['range']['start']['line']}: {d['message']}" for d in about["diagnostics"]]

    def complete(self, before: str) -> set[str]:
        """What is offered behind a text of the open document."""
        answer = self.request("textDocument/completion", self.position(before))
        return {item["label"] for item in answer["items"]}

    def hover(self, word: str) -> str:
        position = self.position(word)
        position["position"]["character"] -= 1
        answer = self.request("textDocument/hover", position)
        return str(answer["contents"]["value"])

    def position(self, before: str) -> dict[str, Any]:
        line = next(number for number, line in enumerate(self.lines) if before in line)
        end = self.lines[line].index(before) + len(before)
        return {"textDocument": {"uri": self.path.as_uri()}, "position": {"line": line, "character": end}}

    def request(self, method: str, params: dict[str, Any]) -> Any:
        number = next(self.numbers)
        self.send({"id": number, "method": method, "params": params})
        while True:
            message = self.receive()
            if message.get("id") == number and "method" not in message:
                return message["result"]

    def notify(self, method: str, params: dict[str, Any]) -> None:
        self.send({"method": method, "params": params})

    def send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0"} | message).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while (header := self.process.stdout.readline().strip()) or not length:
            assert header or self.process.poll() is None, "the language server has ended"
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        if "id" in message and "method" in message:  # what the server asks for: it gets its defaults
            asked = message["params"].get("items") if isinstance(message.get("params"), dict) else None
            self.send({"id": message["id"], "result": [None] * len(asked) if asked else None})
        return message


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    editor = Editor(tmp_path)
    yield editor
    editor.close()


CONFIG = """\
model:
  equations: {x: -k*x}
parameters: {k: 0.5}
data: {csv: mine.csv}
fit:
  method: least_squares
  st
"""


def test_completion_and_hover(editor: Editor) -> None:
    editor.open(CONFIG)
    assert {"adam", "least_squares", "lbfgs", "auto"} <= editor.complete("method: ")
    assert {"starts", "seed", "time_limit"} <= editor.complete("  st")
    said = editor.hover("method")
    assert "for equations and for small networks" in said
    assert "lbfgs" in said
    assert "csv" not in editor.complete("  st")


def test_an_unknown_key_is_underlined(editor: Editor) -> None:
    faults = editor.open(CONFIG.replace("  st", "  stars: 20"))
    assert [fault for fault in faults if fault.startswith("7: ") and "stars" in fault]


@pytest.mark.parametrize("name", ["lynx_hare", "theophylline", "flu_1978", "neural_van_der_pol", "latent_spirals"])
def test_shipped_configs_have_no_faults(editor: Editor, name: str) -> None:
    assert editor.open((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")) == []
