"""What a config means that was written for another odefit: the defaults that have changed since, in order.

A config says with `version: N` what it was written for, and keeps the meaning that it had then: a key that it leaves
out gets the default of that version, written out. A config that names no version gets the defaults of today, with a
note for each that once was another. The config of a run folder always names one; the folders of odefit 0.1.0, which
knew no versions, are read as version 1.

To change a default: give the field of the schema its new value, and add one line to `CHANGED_DEFAULTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from odefit.config.fields import Section
from odefit.config.model_section import LATENT_ODE
from odefit.config.schema import Config
from odefit.records import dataclass

FIRST_VERSION = 1
"""The version of configs that were written when there were none."""
EVERY = "*"


def _always(_: Config) -> bool:
    return True


@dataclass(frozen=True)
class ChangedDefault:
    """One default that is another since a version of the config.

    Attributes
    ----------
    key
        Dotted, as in `solver.rtol`; `*` stands for every member of a mapping or a list, as in `parameters.*.scale`.
    since
        The first version of the config that has the new value.
    old, new
        The values before and since.
    why
        What the user should know of it: one sentence, without a full stop.
    applies
        Which configs the default matters for; all of them where this is not given.
    is_noted
        Whether the author of a config that names no version is told; not of what changes no estimate, nor where it
        depends on the data which configs it matters for: what reads them says what it came to, and names the key.
    """

    key: str
    since: int
    old: Any
    new: Any
    why: str
    applies: Callable[[Config], bool] = _always
    is_noted: bool = True


def _chooses_steps(config: Config) -> bool:
    """Whether equations are solved, by a method that looks at tolerances."""
    return config.model.name != LATENT_ODE and not config.solver.step


CHANGED_DEFAULTS: tuple[ChangedDefault, ...] = (
    ChangedDefault(
        "data.start",
        2,
        "first",
        "auto",
        "initial values belong to the first dose or to 0 where the data suggest it",
        is_noted=False,
    ),
    ChangedDefault(
        "data.at_jumps",
        2,
        "after",
        "auto",
        "a measurement at the time of a dose was made before it",
        lambda config: config.model.name != LATENT_ODE,
        is_noted=False,
    ),
    ChangedDefault(
        "fit.match",
        2,
        False,
        None,
        "starts are moved to where equations match the slopes of the data",
        lambda config: config.fit.starts > 1,
        is_noted=False,
    ),
    ChangedDefault(
        "fit.screen",
        2,
        "values",
        None,
        "places become starts by where a short search from each leads",
        lambda config: config.fit.starts > 1,
        is_noted=False,
    ),
    ChangedDefault(
        "solver.atol",
        2,
        1e-8,
        "auto",
        "each state has a tolerance by its size, in whatever unit it is written",
        _chooses_steps,
        is_noted=False,
    ),
    ChangedDefault(
        "model.initial_scale",
        2,
        "linear",
        "auto",
        "estimated initial values of states with positive measurements get a log scale, and bounds",
        is_noted=False,
    ),
)
"""Every default that changed after version 1, the oldest change first."""


def newest_version() -> int:
    """The version that a config written today is written for."""
    return max((change.since for change in CHANGED_DEFAULTS), default=FIRST_VERSION)


def fault_of_version(version: Any) -> str | None:
    """Why a config of this version cannot be read, and what to do; None where it can, or where it is no number."""
    newest = newest_version()
    if not isinstance(version, int) or isinstance(version, bool) or version <= newest:
        return None
    known = f"version {newest}" if newest == FIRST_VERSION else f"versions {FIRST_VERSION} to {newest}"
    return f"a newer odefit is needed for version {version}, this one knows {known}; install a newer release"


def in_todays_terms(config: Config, unversioned: int | None) -> tuple[Config, tuple[str, ...]]:
    """The config with the meaning that it had when it was written, and what to tell its author.

    Parameters
    ----------
    config
        As it was read.
    unversioned
        The version of a config that names none; None where that is unknown, so that today's defaults hold.

    Returns
    -------
    tuple of Config and of str
        The config in which each default that was another then is written out; and a note for each default that is
        another today, where the version is unknown.
    """
    version = unversioned if config.version is None else config.version
    meant, notes = config, []
    for change in CHANGED_DEFAULTS:  # of two changes of one key the older comes first, and leaves nothing to the newer
        if (version is not None and change.since <= version) or not change.applies(config):
            continue
        before: Config = _with_default(meant, change.key.split("."), change.old)
        if before is meant:
            continue
        if version is None:
            notes += [_note(change)] if change.is_noted else []
        else:
            meant = before
    return meant, tuple(notes)


def _note(change: ChangedDefault) -> str:
    return (
        f"{change.key}: the default is {_shown(change.new)} since config version {change.since}, and was "
        f"{_shown(change.old)}: {change.why}; `version: {change.since - 1}` keeps the old one, "
        f"`version: {newest_version()}` ends this note"
    )


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


def _with_default(value: Any, keys: list[str], default: Any) -> Any:
    """A copy in which the key has this value wherever it is left out; the value itself where it is nowhere."""
    head, *rest = keys
    if head == EVERY:
        if isinstance(value, Mapping):
            members = {name: _with_default(member, rest, default) for name, member in value.items()}
            return members if any(members[name] is not member for name, member in value.items()) else value
        if isinstance(value, list):
            items = [_with_default(item, rest, default) for item in value]
            return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if not isinstance(value, Section):
        return value  # an optional section that is not there
    if not rest:
        return value if head in value.model_fields_set else value.model_copy(update={head: default})
    below = getattr(value, head)
    changed = _with_default(below, rest, default)
    return value if changed is below else value.model_copy(update={head: changed})
