"""TensorBoard as a tracker: files of events, written by tensorboardX, which needs no PyTorch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from odefit.tracking.messages import Begin, End, Folder, Message, Metrics, Part, Text


class TensorBoard:
    """A folder of event files for a run, and one inside of it for each of its parts.

    Parameters
    ----------
    folder
        Where the folders of the runs are.
    """

    def __init__(self, folder: str) -> None:
        import tensorboardX

        self._tensorboard: Any = tensorboardX
        self._above = folder
        self._begin: Begin | None = None
        self._open: Any = None

    def take(self, messages: list[Message]) -> None:
        """Keep these. Raises whatever the library or the disk raises."""
        for message in messages:
            if isinstance(message, Begin):
                self._begin = message
                if not message.resumed:
                    self._describe(message)
            elif isinstance(message, Metrics):
                writer = self._writer(message.step)
                for name, value in message.values.items():
                    writer.add_scalar(name, value, message.step)
            elif isinstance(message, Part):
                self._part(message)
            elif isinstance(message, Text):
                self._writer().add_text(message.name, f"    {message.text}".replace("\n", "\n    "))
            elif isinstance(message, Folder):
                self._pictures(message)
            else:
                self._end(message)
        if self._open is not None:
            self._open.flush()

    @property
    def _folder(self) -> str:
        assert self._begin is not None
        return os.path.join(self._above, self._begin.name)

    def _writer(self, step: int | None = None) -> Any:
        """The run's events; those of a resumed fit replace what an earlier part of it has sent from this step on."""
        if self._open is None:
            resumed = self._begin is not None and self._begin.resumed
            self._open = self._tensorboard.SummaryWriter(self._folder, purge_step=step if resumed else None)
        return self._open

    def _describe(self, begin: Begin) -> None:
        for title, values in (("parameters", begin.parameters), ("tags", begin.tags)):
            self._writer().add_text(title, _table(values))

    def _part(self, part: Part) -> None:
        with self._tensorboard.SummaryWriter(os.path.join(self._folder, part.name)) as writer:
            for name, series in part.series.items():
                for step, value in enumerate(series):
                    if value is not None:
                        writer.add_scalar(name, value, step)
            writer.add_text("part", _table({"status": part.status, **part.parameters}))

    def _pictures(self, folder: Folder) -> None:
        from matplotlib.image import imread

        for name in folder.names:
            if name.endswith(".png"):
                title = os.path.splitext(name)[0].removeprefix("plots/")
                pixels = imread(os.path.join(folder.path, name))[:, :, :3]
                self._writer().add_image(title, pixels, dataformats="HWC")

    def _end(self, end: End) -> None:
        self._writer().add_text("status", end.status)
        self._writer().close()
        self._open = None


def _table(values: Mapping[str, str]) -> str:
    """Names and values as a table of Markdown."""
    cells = ((name, value.replace("|", "\\|").replace("\n", " ")) for name, value in values.items())
    return "\n".join(["| name | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in cells)])
