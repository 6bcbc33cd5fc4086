"""`odefit …` in processes of their own that begin in milliseconds.

A server imports what the commands need, computes nothing, and forks a process for each command that it is asked for.
That process is the command's in every respect: its signals, limits, workers, files and exit code. What it costs to
start Python and to import odefit is not what these tests are about; that the installed command starts, and what it
imports, is in test_cli.py.

Run as a program it is the server: requests come in and answers go out as lines of JSON.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import odefit

IMPORTS = (
    *("pebble.pool", "pydiffsol", "scipy.special", "scipy.optimize", "pandas", "llvmlite.binding", "llvmlite.ir"),
    *("matplotlib.backends.backend_agg", "odefit.plots.equation_pictures", "odefit.reporting.page"),
    *("odefit.cli", "odefit.terminal", "odefit.fitting.strategy", "odefit.fitting.multistart", "odefit.fitting.report"),
    *("odefit.engines.kernel.kernel_engine", "odefit.engines.diffsol.diffsol_engine", "odefit.problem.simulation"),
    *("odefit.diagnostics.checking", "odefit.profiles.lanes"),
)
"""No torch: with it loaded, odefit would spawn its workers instead of forking them."""
KILLS = Path(__file__).parents[2] / "benchmarks" / "kills.py"
GUARD = 600.0
"""Seconds after which a process is taken to hang, however busy the machine is."""
OFTEN = 0.02
"""Seconds between two looks at a process that is waited for, on systems that do not say when it ends."""


@dataclass
class Command:
    """A process with a command, much as subprocess.Popen has it. Its output goes to files, and so never blocks it."""

    pid: int
    output: IO[bytes]
    errors: IO[bytes]
    returncode: int | None = field(default=None, init=False)
    _said: tuple[str, str] | None = field(default=None, init=False)

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = ask(server(__file__), {"pid": self.pid})
        return self.returncode

    def wait(self, timeout: float = GUARD) -> int:
        end = time.monotonic() + timeout
        while self.poll() is None:
            left = end - time.monotonic()
            if left <= 0:
                self.kill()
                raise TimeoutError(f"not ended after {timeout:g} s: {_text(self.output)}{_text(self.errors)}")
            _look_away(self.pid, left)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float = GUARD) -> tuple[str, str]:
        """What it said on standard output and standard error until it ended."""
        self.wait(timeout)
        if self._said is None:
            self._said = _text(self.output), _text(self.errors)
            self.output.close()
            self.errors.close()
        return self._said

    def send_signal(self, number: int) -> None:
        if self.poll() is None:  # nobody has looked at it since, so the id is still its own
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(*arguments: str, before: str = "") -> Command:
    """`odefit ARGUMENTS` in the current folder, as a process group of its own. before: Python to run there first."""
    output, errors = (tempfile.NamedTemporaryFile() for _ in range(2))  # noqa: SIM115 - closed by `communicate`
    what = {"arguments": arguments, "folder": os.getcwd(), "files": (output.name, errors.name), "before": before}
    return Command(ask(server(__file__), what), output, errors)


def run(*arguments: str, code: int = 0, before: str = "") -> tuple[str, str]:
    """What it says on standard output and standard error. It ends with `code`, and never with a traceback."""
    if hasattr(os, "fork"):
        command = start(*arguments, before=before)
        output, errors = command.communicate()
        ended = command.returncode
    else:
        ended, output, errors = in_new_python("-m", "odefit.cli", *arguments)
    assert ended == code, output + errors
    assert "Traceback" not in errors
    return output, errors


def in_process(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command without a process of its own: what it imports, other
    tests have imported."""
    from odefit.cli import app
    from odefit.commands.errors import report
    from odefit.errors import OdefitError

    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            code = app(list(arguments), standalone_mode=False) or 0
        except OdefitError as error:
            code = report(error, debug=False)
    return code, output.getvalue(), errors.getvalue()


def in_new_python(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `python ARGUMENTS`, in a process that has imported nothing."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GUARD, check=False, env=_environment())
    return done.returncode, done.stdout, done.stderr


def killed(problems: Sequence[str], kills: int, kept: int) -> dict[str, tuple[int, int]]:
    """Fits of problems of benchmarks/kills.py, each killed so often at least: of each how many kills were survived, and
    how many of them left a checkpoint, `kept` at least. Fails where a resumed fit differs from one left alone.
    """
    wanted = ("--kills", str(kills * len(problems)), "--kept", str(kept), "--seed", "1")
    code, output, errors = in_new_python(str(KILLS), "--problem", *problems, *wanted)
    assert code == 0, errors
    lines = re.findall(r"^(\w+): (\d+) kills survived, (\d+) of them", output, re.M)
    return {name: (int(survived), int(left)) for name, survived, left in lines}


def _environment() -> dict[str, str]:
    """With the odefit that this process has, which is the one to be tested, and with the modules of the tests; what is
    compiled of them is kept for the processes that follow."""
    places = (Path(odefit.__file__).parents[1], Path(__file__).parent, Path(__file__).parents[1] / "engines")
    earlier = os.environ.get("PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": os.pathsep.join([*map(str, places), *([earlier] if earlier else [])])}


def _look_away(pid: int, most: float) -> None:
    """Until a process that has not been waited for has ended, or for a moment, but at most so many seconds."""
    if not hasattr(os, "pidfd_open"):
        time.sleep(min(OFTEN, most))
        return
    number = os.pidfd_open(pid)
    try:
        ends = select.poll()
        ends.register(number, select.POLLIN)
        ends.poll(1000 * most)
    finally:
        os.close(number)


def _text(file: IO[bytes]) -> str:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


@functools.cache
def server(program: str) -> subprocess.Popen[str]:
    """A program that answers lines of JSON with lines of JSON, until this process ends."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, program], stdin=pipe, stdout=pipe, text=True, env=_environment())
    atexit.register(process.communicate, timeout=60)  # it ends when its standard input does
    return process


def ask(process: subprocess.Popen[str], question: Any) -> Any:
    """The answer of a server."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def _main() -> None:
    for name in IMPORTS:
        importlib.import_module(name)
    with os.fdopen(os.dup(1), "w") as answers:
        for line in sys.stdin:
            request = json.loads(line)
            if "pid" in request:
                ended, status = os.waitpid(request["pid"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if ended else None
            else:
                answer = os.fork()
                if answer == 0:
                    break
                os.setpgid(answer, answer)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
        else:
            return
    _become(**request)


def _become(arguments: Sequence[str], folder: str, files: Sequence[str], before: str) -> None:
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, path in enumerate(files, 1):
        file = os.open(path, os.O_WRONLY)
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    sys.argv = ["odefit", *arguments]
    exec(before)  # noqa: S102 - the text of a test
    from odefit import cli

    cli.run()


if __name__ == "__main__":
    _main()
