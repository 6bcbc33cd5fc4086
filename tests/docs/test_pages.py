"""Every code block of the documentation is run, by the rules that docs/README.md states."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import odefit
from commands import in_process, start
from odefit.errors import InputError, OdefitError

ROOT = Path(__file__).parents[2]
NEEDS_TORCH = ("networks", "sciml", "solvers", "symbols")
PAGES = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.torch] if path.stem in NEEDS_TORCH else [])
    for path in sorted((ROOT / "docs").glob("*.md"))
    if path.name != "README.md"
]
FENCE = re.compile(r"^(?P<indent> *)```(?P<head>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.M | re.S)
DIRECTIVE = re.compile(r"\{code-block\} (\w+)")
CAPTION = re.compile(r"\A:caption: (\S+)\n\n?")
NOT_CODE = ("{toctree}", "{eval-rst}", "{figure}", "{note}", "{tip}", "{warning}")
NOT_RUN = ("pip install", "python -m venv", ". venv/bin/activate", "npm install")
IN_PROCESS = ("plot", "report", "predict", "compare", "profile", "symbols", "init", "models")
IN_PROCESS_WITH_TORCH = (*IN_PROCESS, "fit", "check", "solvers", "export", "import")
SOURCES = {"model": ("name", "equations"), "data": ("csv", "simulate", "spirals")}


@dataclass(frozen=True)
class Block:
    """A fenced block. line: of its fence, from 1; caption: the file that it is, or empty."""

    line: int
    language: str
    body: str
    caption: str = ""


def blocks(text: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(text):
        head, body = match["head"].strip(), re.sub(rf"^{match['indent']}", "", match["body"], flags=re.M)
        if head.startswith(NOT_CODE):
            continue
        directive, caption = DIRECTIVE.fullmatch(head), CAPTION.match(body)
        name = caption[1] if directive and caption else ""
        body = body[caption.end() :] if directive and caption else body
        found.append(Block(text.count("\n", 0, match.start()) + 1, directive[1] if directive else head, body, name))
    return found


def laid_over(config: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A part of a config on top of a whole one: key by key; another model or other data take the old one's place."""
    result = dict(config)
    for section, keys in part.items():
        if any(key in keys for key in SOURCES.get(section, ())):
            result[section] = keys
            if section == "model":
                result["parameters"] = {}
        elif isinstance(keys, dict) and isinstance(result.get(section), dict) and section != "noise":
            result[section] = result[section] | keys
        else:
            result[section] = keys
    return result | {"parameters": result.get("parameters", {}) | part.get("parameters", {})}


@dataclass
class Page:
    """A page as it is worked through. in_process: the commands that need no process of their own.

    own_copy: whether it changes an odefit of its own, which then runs all else. said: what its last block printed;
    failed: whether that ended in an error.
    """

    in_process: tuple[str, ...] = IN_PROCESS

    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    config: dict[str, Any] = field(default_factory=dict)
    own_copy: bool = False
    said: str = ""
    failed: bool = False

    def work(self, block: Block, fails: bool) -> None:
        self.said, self.failed = "", False
        getattr(self, block.language)(block)
        assert self.failed == fails, self.said or "no error"

    def command(self, *arguments: str) -> None:
        if self.own_copy:
            code, output, errors = self.in_copy("-m", "odefit.cli", *arguments)
        elif arguments[0] in self.in_process:
            code, output, errors = in_process(*arguments)
        else:
            command = start(*arguments)
            output, errors = command.communicate()
            code = command.wait()
        assert "Traceback" not in errors
        self.said += output + errors
        self.failed |= code != 0

    def check(self, name: str) -> None:
        try:
            self.said = odefit.check(name)
        except OdefitError as error:
            faults = error.faults if isinstance(error, InputError) else (error,)
            self.said, self.failed = "".join(f"error: {fault}\n" for fault in faults), True

    def copy(self) -> None:
        """odefit's own files, in the page's folder, to be changed there."""
        if not self.own_copy:
            shutil.copytree(ROOT / "odefit", "odefit")  # with what Python has compiled of them
            Path("docs").mkdir()
            shutil.copy(ROOT / "docs" / "generate.py", "docs")
            self.own_copy = True

    def in_copy(self, *arguments: str) -> tuple[int, str, str]:
        command, environment = [sys.executable, *arguments], os.environ | {"PYTHONPATH": os.getcwd()}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the next process needs not compile what this one has
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
        return done.returncode, done.stdout, done.stderr

    def diff(self, block: Block) -> None:
        """Lines with `-` are there, once and in this order, with those without a sign around them; `+` are the new."""
        self.copy()
        head, *lines = block.body.splitlines()
        path = Path(head.removeprefix("+++ "))
        old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} has {text.count(old)} times:\n{old}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def csv(self, block: Block) -> None:
        assert block.caption, "a file needs a :caption:"
        Path(block.caption).parent.mkdir(exist_ok=True)
        Path(block.caption).write_text(block.body, encoding="utf-8")

    xml = tsv = bash = csv

    def yaml(self, block: Block) -> None:
        text, name = block.body, block.caption or "mine.yaml"
        part = yaml.safe_load(text)
        if "format_version" in part or "nn_model_id" in part:  # a PEtab problem, a network
            self.csv(block)
            return
        assert isinstance(part, dict)
        if not all(any(key in part.get(section, ()) for key in keys) for section, keys in SOURCES.items()):
            assert self.config, "the first config of a page must be a whole one"
            text = yaml.safe_dump(laid_over(self.config, part), sort_keys=False, allow_unicode=True)
        else:
            self.config = part
        Path(name).write_text(text, encoding="utf-8")
        if self.own_copy:
            self.command("check", name)
        else:  # the same without another process
            self.check(name)

    def sh(self, block: Block) -> None:
        for line in block.body.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["odefit"]:
                self.command(*words[1:])
            elif words[:1] == ["bash"] or (words[:1] == ["env"] and "bash" in words):
                self.script(*words)
            elif words[:1] == ["python"] and self.own_copy:
                code, _, errors = self.in_copy(*words[1:])
                assert code == 0, errors
            else:
                assert not words or line.startswith(NOT_RUN), f"not run: {line}"

    def script(self, *words: str) -> None:
        """A shell script, for which the command odefit is this one."""
        Path("bin").mkdir(exist_ok=True)
        Path("bin/odefit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m odefit.cli "$@"\n')
        Path("bin/odefit").chmod(0o755)
        places = {"PATH": f"{Path('bin').resolve()}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, env=os.environ | places)
        assert done.returncode == 0, done.stdout + done.stderr

    def python(self, block: Block) -> None:
        if block.caption:
            self.copy()
            Path(block.caption).write_text(block.body, encoding="utf-8")
            return
        if self.own_copy:
            code, self.said, errors = self.in_copy("-c", block.body)
            assert code == 0, errors
            return
        printed = io.StringIO()
        code = compile("\n" * block.line + block.body, "page", "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, self.names)  # noqa: S102 - the text of our own pages
        self.said = printed.getvalue()


def said(pattern: str, text: str) -> bool:
    """Whether a line is among others; `…` stands for anything, and blanks for any blanks."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in pattern.strip().split("…")]
    return re.search(r"^\s*" + r"\s*.*\s*".join(parts) + r"\s*$", text, re.M) is not None


@pytest.mark.parametrize("path", PAGES)
def test_page(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for folder in ("configs", "data"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    # What a network is fitted with, this process has imported long ago.
    page = Page(IN_PROCESS_WITH_TORCH if path.stem in NEEDS_TORCH else IN_PROCESS)
    all_blocks = blocks(path.read_text(encoding="utf-8"))
    for block, after in itertools.zip_longest(all_blocks, all_blocks[1:]):
        where = f"{path.name}:{block.line}"
        assert block.language in ("yaml", "csv", "xml", "tsv", "bash", "sh", "python", "diff", "text"), (
            f"{where}: {block.language!r}"
        )
        try:
            if block.language == "text":
                for line in filter(str.strip, block.body.splitlines()):
                    assert said(line, page.said), f"not printed: {line}\n{page.said}"
            else:
                fails = after is not None and after.language == "text" and re.search("^error: ", after.body, re.M)
                page.work(block, fails=bool(fails))
        except Exception as error:
            raise AssertionError(f"{where}: {error}") from error


def test_what_the_test_itself_understands() -> None:
    text = "a\n```yaml\nx: 1\n```\n- b\n  ```{code-block} csv\n  :caption: m.csv\n\n  time,x\n  ```\n```{tip}\nc\n```\n"
    assert blocks(text) == [Block(2, "yaml", "x: 1\n"), Block(6, "csv", "time,x\n", "m.csv")]
    assert said("a  … c", "x\n a b c\n")
    assert not said("a … d", "a b c")
    old = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}, "noise": "lognormal"}
    assert laid_over(old, {"noise": {"x": "laplace"}})["noise"] == {"x": "laplace"}
    assert laid_over(old, {"parameters": {"m": 2}})["parameters"] == {"k": 1, "m": 2}
    assert laid_over(old, {"model": {"name": "sir"}, "parameters": {"m": 2}})["parameters"] == {"m": 2}
