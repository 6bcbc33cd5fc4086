"""The words that commands are declared and written with: those of typer, from `wording.py`.

Type checkers see typer's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import Argument, BadParameter, Exit, Option, echo, prompt
else:
    from odefit.commands.wording import Argument, BadParameter, Exit, Option, echo, prompt

__all__ = ["Argument", "BadParameter", "Exit", "Option", "echo", "prompt"]
