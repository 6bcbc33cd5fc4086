"""The kinds of pictures: which file draws each, and which choices change it. To add one: a line here, and the file.

The file has two functions of what the pictures of a run share (`equation_pictures.py`, `latent_pictures.py`):

    lacking(pictures) -> str       why there is nothing to draw; empty where there is
    draw(pictures) -> Figure

and may have a third:

    dull(pictures) -> str          why it says so little that it is drawn on request only; empty where it says something
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from odefit.records import dataclass

By = Literal["time_range", "states", "experiments", "log_x", "log_y", "all_panels", "bands", "dates"]


@dataclass(frozen=True)
class PictureKind:
    """One kind of picture.

    Parameters
    ----------
    module
        The file in this folder.
    by
        The choices that change it: then they are in the name of its file, so that the run's own picture stays.
    after_fit
        Whether every fit draws it at its end; the others wait for `odefit plot`.
    entry
        Of a picture that the config asks for: its name there, which its file takes beside `pictures`.
    """

    module: str
    by: tuple[By, ...] = ()
    entry: str = ""
    after_fit: bool = True


SHOWN: tuple[By, ...] = ("time_range", "states", "experiments")
OF_EQUATIONS: Mapping[str, PictureKind] = {
    "time_series": PictureKind("time_series", (*SHOWN, "log_x", "log_y", "all_panels", "bands", "dates")),
    "overlay": PictureKind("overlay", (*SHOWN, "log_x", "log_y", "dates"), after_fit=False),
    "phase_plane": PictureKind("phase_plane", (*SHOWN, "log_x", "log_y")),
    "history": PictureKind("history"),
    "residuals": PictureKind("residuals", ("states", "experiments", "log_x", "dates")),
    "observed": PictureKind("observed", ("states", "experiments", "log_y"), after_fit=False),
    "parameters": PictureKind("forest", after_fit=False),
    "correlations": PictureKind("correlations", after_fit=False),
    "waterfall": PictureKind("waterfall"),
    "bootstrap": PictureKind("bootstrap"),
    "corner": PictureKind("corner"),
    "trace": PictureKind("trace"),
    "profiles": PictureKind("profiles"),
    "profile_paths": PictureKind("profile_paths"),
    "network": PictureKind("network", ("experiments",)),
    "potential": PictureKind("potential", ("experiments",)),
}
OF_LATENT_ODES: Mapping[str, PictureKind] = {
    "time_series": PictureKind("latent_time_series", (*SHOWN, "dates")),
    "phase_plane": PictureKind("latent_phase_plane", SHOWN),
    "history": PictureKind("latent_history"),
    "interpolation": PictureKind("latent_interpolation", ("time_range", "experiments")),
}

_OTHERS = [kind for kind in OF_LATENT_ODES if kind not in OF_EQUATIONS]
LISTED = f"{', '.join(OF_EQUATIONS)}; of a latent ODE also {', '.join(_OTHERS)}"
"""For the help of the command line."""


def requested(names: Iterable[str]) -> dict[str, PictureKind]:
    """The kinds of the pictures that a config asks for: each its own, under its name."""
    taken = {*OF_EQUATIONS, *OF_LATENT_ODES, "animation"}
    return {
        f"plot_{name}" if name in taken else name: PictureKind("requested", ("dates",), entry=name) for name in names
    }
