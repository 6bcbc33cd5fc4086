"""What becomes of doses into several states, where the config says one thing of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.text import clip


def arrival_notes(loaded: LoadedConfig, experiments: Sequence[Experiment]) -> list[str]:
    """A sentence for a lag or a fraction that holds for doses into several states.

    Mostly it is meant for one of them: doses by mouth arrive late and in part, those into a vein do not.
    """
    section = loaded.config.data.doses
    states = list(dict.fromkeys(dose.state for e in experiments for dose in e.doses))
    if section is None or len(states) < 2:
        return []
    first, others, notes = states[0], ", ".join(states[1:]), list[str]()
    if section.is_partial:
        name = clip(section.fraction, 40)
        remedy = f"for those into one state alone, leave it out and multiply what that state passes on by {name}"
        notes.append(f"data.doses.fraction ({name}) holds for doses into {first} and into {others}; {remedy}")
    if section.is_late:
        remedy = "for some experiments alone, multiply it by a constant of theirs that is 0 or 1"
        notes.append(
            f"data.doses.lag ({clip(section.lag, 40)}) holds for doses into {first} and into {others}; {remedy}"
        )
    return notes
