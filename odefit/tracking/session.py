"""The fit's side of tracking: a process that talks to the trackers, fed by a thread, waited for at the end."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

from odefit.tracking.messages import Message, line_of
from odefit.tracking.worker import makers_of

MOST_WAITING = 100_000
"""Messages that wait for a tracker; what comes then is lost to it."""
PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from odefit.tracking.worker import main; main()"
"""Imports from where this process imports: another odefit, or another tracker, would be another program."""


class Session:
    """A process that keeps what it is sent in the trackers, and never costs more than a note.

    Parameters
    ----------
    wanted
        The trackers, as `worker.makers_of` reads them.
    note
        Is told what the user should know; by the thread that calls `send` and `close` alone.
    patience
        Seconds without a sign of life after which it is given up.
    """

    def __init__(self, wanted: Mapping[str, Any], note: Callable[[str], None], patience: float) -> None:
        self._note, self._patience = note, patience
        self._faults: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._waiting: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._lost = 0
        self._going = {name for name, _ in makers_of(wanted)}
        self._process: subprocess.Popen[str] | None = None
        try:
            # In a session of its own: Ctrl-C is for the fit, which then ends the run in good order.
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except OSError as error:
            note(f"nothing is tracked: the process for it cannot be started ({error.strerror or error})")
            return
        self._alive = time.monotonic()
        ends: Any = ((self._feed, self._process.stdin), (self._listen, self._process.stdout))
        self._threads = [threading.Thread(target=work, args=(end,), daemon=True) for work, end in ends]
        self._put(json.dumps(wanted) + "\n")
        for thread in self._threads:
            thread.start()

    def send(self, message: Message) -> None:
        """Have something kept, some time soon."""
        self._tell()
        if self._process is not None:
            self._put(line_of(message))

    def _put(self, line: str) -> None:
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def _feed(self, stream: IO[str]) -> None:
        with suppress(OSError, ValueError):  # it ended, and has said why where it could
            while (line := self._waiting.get()) is not None:
                stream.write(line)
                if self._waiting.empty():
                    stream.flush()
        with suppress(OSError, ValueError):
            stream.close()

    def _listen(self, stream: IO[str]) -> None:
        with suppress(OSError, ValueError):
            for line in stream:
                self._alive = time.monotonic()
                what, _, rest = line.strip().partition(" ")
                if what == "ended":
                    self._going.discard(rest)
                elif what == "fault":
                    self._faults.put(rest)

    def _tell(self) -> None:
        while not self._faults.empty():
            self._note(f"tracking has failed, and goes no further: {self._faults.get()}")

    def close(self) -> None:
        """Wait until everything is kept, as long as there are signs of life."""
        if self._process is None:
            return
        process, self._process = self._process, None
        self._alive = time.monotonic()
        with suppress(queue.Full):
            self._waiting.put(None, timeout=self._patience)
        try:
            while process.poll() is None:
                if time.monotonic() - self._alive > self._patience:
                    names = " and ".join(sorted(self._going)) or "the tracker's process"
                    what = f"gave no sign of life for {self._patience:g} s and is waited for no longer"
                    self._note(f"{names} {what}; what it has by now is kept there")
                    break
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
        finally:
            process.kill()
            process.wait()
            for thread in self._threads:
                thread.join(1.0)
            for stream in (process.stdin, process.stdout):
                with suppress(OSError, ValueError):
                    if stream is not None:
                        stream.close()
        if process.returncode not in (0, -9) and self._faults.empty():
            self._note(f"the tracker's process ended early (code {process.returncode}); what it has is kept there")
        if self._lost:
            self._note(f"the tracker was slower than the fit: {self._lost:,} messages are missing there")
        self._tell()
