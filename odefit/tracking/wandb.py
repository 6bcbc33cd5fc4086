"""Weights & Biases as a tracker: folders that `wandb sync` sends later, unless the environment says to send at once.

What its client 0.31 does: it drops a value whose step is before another metric's last one, so that every value comes
with a step of its own as a metric; and a `Settings` belongs to one run, whose name goes into it.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from odefit.tracking.messages import Begin, End, Folder, Message, Metrics, Part, Text

STEP = "odefit/step"


class WeightsAndBiases:
    """A run of a project, and others in a group with it for its parts.

    Parameters
    ----------
    project
        The project of the run.
    """

    def __init__(self, project: str) -> None:
        # It is not for a fit to send anything but what its user asked for.
        os.environ.setdefault("WANDB_MODE", "offline")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        _check_folder(Path(os.environ.get("WANDB_DIR", ".")))
        import wandb

        self._wandb: Any = wandb
        self._project = project
        self._key = ""
        self._run: Any = None

    def take(self, messages: list[Message]) -> None:
        """Keep these. Raises whatever the client or the disk raises."""
        for message in messages:
            if isinstance(message, Begin):
                self._key = message.key
                described = {**message.parameters, **message.tags}
                self._run = self._begun(message.name, described, id=message.key, resume="allow")
            elif isinstance(message, Metrics):
                self._run.log({**message.values, STEP: message.step})
            elif isinstance(message, Part):
                self._part(message)
            elif isinstance(message, Text):
                self._file(message.name).write_text(message.text, encoding="utf-8")
                self._save(message.name)
            elif isinstance(message, Folder):
                self._keep(message)
            elif isinstance(message, End):
                self._run.finish(exit_code=_code(message.status))

    def _begun(self, name: str, config: dict[str, str], **what: str) -> Any:
        """A run whose metrics are drawn over their own steps. what: other arguments of `wandb.init`."""
        quiet = {"console": "off", "silent": True, "disable_git": True, "save_code": False}
        settings = self._wandb.Settings(**quiet, x_disable_stats=True, x_disable_meta=True)
        common = {"project": self._project, "group": self._key, "reinit": "create_new", "settings": settings}
        run = self._wandb.init(name=name, config=config, **common, **what)
        run.define_metric("*", step_metric=STEP)
        return run

    def _part(self, part: Part) -> None:
        run = self._begun(part.name, dict(part.parameters), job_type="part")
        for step in range(max(map(len, part.series.values()), default=0)):
            values = {name: series[step] for name, series in part.series.items() if step < len(series)}
            run.log({STEP: step} | {name: value for name, value in values.items() if value is not None})
        run.finish(exit_code=_code(part.status))

    def _keep(self, folder: Folder) -> None:
        for name in folder.names:
            path = Path(folder.path, name)
            if path.suffix == ".png":
                self._run.log({path.stem: self._wandb.Image(str(path))})
            else:
                kept = (Path(folder.under) / name).as_posix()
                shutil.copyfile(path, self._file(kept))
                self._save(kept)

    def _file(self, name: str) -> Path:
        path = Path(self._run.dir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _save(self, name: str) -> None:
        self._run.save(str(self._file(name)), base_path=self._run.dir, policy="now")


def _check_folder(folder: Path) -> None:
    """Raises OSError for a folder that cannot be written: the client would take a temporary one, without a word."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _code(status: str) -> int:
    """What a process would end with: 0 in good order."""
    return 0 if status == "FINISHED" else 1
