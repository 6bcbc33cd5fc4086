"""MLflow as a tracker.

What MLflow 3.17 does to values: it keeps an infinite one as 1.8e308, cuts a parameter after 6,000 characters, and sorts
the values of one metric at one step and time by size. So what comes here is finite and short, and has steps of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from odefit.tracking.messages import Begin, End, Folder, Message, Metrics, Part, Text

KEY = "odefit.key"
"""The tag by which a resumed fit finds its run."""
PARENT = "mlflow.parentRunId"
AT_ONCE = 100
"""Parameters or tags of one call, as many as a server takes."""


class MLflow:
    """A run on an MLflow server, or in a local database.

    Parameters
    ----------
    address
        The tracking server, as MLflow writes it.
    experiment
        The experiment of the run, which is made where there is none.
    """

    def __init__(self, address: str, experiment: str) -> None:
        # It is not for a fit to send anything but what its user asked for.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        from mlflow.tracking import MlflowClient

        self._client: Any = MlflowClient(address)
        self._experiment = self._experiment_id(experiment)
        self._run = ""
        self._reached: dict[str, int] | None = None

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found is not None else self._client.create_experiment(name))

    def take(self, messages: list[Message]) -> None:
        """Keep these. Raises whatever MLflow raises."""
        first = messages[0]
        if isinstance(first, Metrics):
            self._metrics([message for message in messages if isinstance(message, Metrics)])
        elif isinstance(first, Begin):
            self._begin(first)
        elif isinstance(first, Part):
            self._part(first)
        elif isinstance(first, Text):
            self._client.log_text(self._run, first.text, first.name)
        elif isinstance(first, Folder):
            for name in first.names:
                folder = "/".join([*([first.under] if first.under else []), *name.split("/")[:-1]])
                self._client.log_artifact(self._run, os.path.join(first.path, name), folder or None)
        elif isinstance(first, End):
            self._client.set_terminated(self._run, first.status)

    def _begin(self, begin: Begin) -> None:
        found = self._found(begin.key) if begin.resumed else None
        if found is None:
            run = self._client.create_run(self._experiment, run_name=begin.name, tags={**begin.tags, KEY: begin.key})
            self._run = run.info.run_id
        else:
            self._run, self._reached = found, {}
            self._client.update_run(self._run, status="RUNNING")
        self._parameters(self._run, begin.parameters)

    def _found(self, key: str) -> str | None:
        runs = self._client.search_runs([self._experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
        return runs[0].info.run_id if runs else None

    def _parameters(self, run: str, parameters: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        known = self._client.get_run(run).data.params if self._reached is not None else {}
        new = [Param(name, value) for name, value in parameters.items() if name not in known]
        for begin in range(0, len(new), AT_ONCE):
            self._client.log_batch(run, params=new[begin : begin + AT_ONCE])

    def _metrics(self, messages: list[Metrics]) -> None:
        values = [(name, value, m.step) for m in messages for name, value in m.values.items()]
        self._values(self._run, [(n, v, s) for n, v, s in values if s > self._last(n)])

    def _last(self, name: str) -> int:
        """The last step that an earlier part of a resumed fit has sent."""
        if self._reached is None:
            return -1
        if name not in self._reached:
            history = self._client.get_metric_history(self._run, name)
            self._reached[name] = max((metric.step for metric in history), default=-1)
        return self._reached[name]

    def _values(self, run: str, values: list[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for some in _some(values, 1000):
            self._client.log_batch(run, metrics=[Metric(name, value, now, step) for name, value, step in some])

    def _part(self, part: Part) -> None:
        tags = {PARENT: self._run}
        run = self._client.create_run(self._experiment, run_name=part.name, tags=tags).info.run_id
        reached, self._reached = self._reached, None
        self._parameters(run, part.parameters)
        self._reached = reached
        values = [(n, v, k) for n, series in part.series.items() for k, v in enumerate(series) if v is not None]
        self._values(run, values)
        self._client.set_terminated(run, part.status)


def _some(values: list[Any], size: int) -> Iterator[list[Any]]:
    return (values[k : k + size] for k in range(0, len(values), size))
