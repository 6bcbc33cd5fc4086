"""Where fits are tracked: nothing is imported, and nothing done, for one that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.config.load import LoadedConfig
from odefit.errors import ConfigError, Fault
from odefit.runs.log import Logged
from odefit.runs.stored import StoredRun

if TYPE_CHECKING:
    from odefit.tracking.messages import Part
    from odefit.tracking.tracking import Tracking


def check_trackers(loaded: LoadedConfig) -> None:
    """Whether what `fit.track` asks for is installed, and can be written. Raises ConfigError."""
    section = loaded.config.fit.track
    if section is not None:
        from odefit.tracking.installed import missing

        faults = [
            Fault(loaded.where("fit", "track", name), f"needs the package {package}: pip install 'odefit[{name}]'")
            for name, package in missing(section)
        ]
        logs = section.tensorboard
        if logs is not None and Path(logs).is_file():
            what = f"'{logs}' is a file; name a folder, such as `logs`"
            faults.append(Fault(loaded.where("fit", "track", "tensorboard"), what))
        if faults:
            raise ConfigError(faults=faults)


@contextmanager
def tracked(
    loaded: LoadedConfig,
    identity: Callable[[], Mapping[str, Any]],
    told: Logged,
    name: str,
    folder: Path | None = None,
    resumed: bool = False,
) -> Iterator[Tracking | None]:
    """Keep track of a fit while it lasts, as `fit.track` asks for; gives None where it asks for nothing.

    Parameters
    ----------
    loaded, identity
        The config, and what it is the fit of.
    told
        Is told what the user should know of the trackers.
    name
        What the fit is called.
    folder
        Where the fit writes; None in memory.
    resumed
        Whether it goes on with an earlier one.
    """
    section = loaded.config.fit.track
    if section is None:
        yield None
        return
    from odefit.tracking.tracking import Tracking

    tracking = Tracking(section, told, name, folder, resumed)
    tracking.begin(identity(), loaded.config.title)
    try:
        yield tracking
    except BaseException as error:
        tracking.broke(error)
        raise
    finally:
        told.now("waiting for the tracker")
        tracking.close()


def track_more(
    run: StoredRun,
    note: Callable[[str], None],
    pictures: Sequence[Path] = (),
    parts: Callable[[], Sequence[Part]] | None = None,
) -> None:
    """Add to what is tracked of a fit that has ended; nothing where it is not tracked.

    Parameters
    ----------
    run
        The fit, with its folder.
    note
        Is told what the user should know.
    pictures
        Files of pictures in the run folder.
    parts
        Makes the runs inside of it.
    """
    if run.loaded.config.fit.track is not None and run.path is not None:
        from odefit.tracking.tracking import add

        add(run, run.loaded.config.fit.track, run.path, note, pictures, () if parts is None else parts())
