"""What commands do that are asked for a part of their work only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

import typer

from odefit.commands.errors import INTERRUPTED
from odefit.errors import InputError, RunError
from odefit.text import clip

if TYPE_CHECKING:
    from odefit.runs.parts import StoredPart
    from odefit.screen import Screen
    from odefit.terminal import Reporter


def one_part(numbers: str | None, part: str | None, option: str) -> str:
    """The part that is asked for, by its numbers or by its place among others. Raises InputError."""
    if numbers is not None and part is not None:
        raise InputError("--part", f"names a part, as {option} does; say one of them")
    found = part if numbers is None else numbers
    assert found is not None
    return found


def count_or_part(text: str, part: str | None, option: str, usual: int) -> tuple[int, str | None]:
    """How many there are in all, and the part that is asked for, if one is. Raises InputError."""
    from odefit.runs.parts import is_part

    if is_part(text):
        return usual, one_part(text, part, option)
    try:
        return int(text), part
    except ValueError:
        what = f"'{clip(text)}' is no number; write how many there are in all, or 0:50 for the first 50 of them"
        raise InputError(option, what) from None


def check_whole(out: Path | None) -> None:
    """Raises InputError where what a whole answer has no use for is asked for."""
    if out is not None:
        raise InputError("--out", "is for a part (--part 1/4); the whole is written into the folder of its run")


def computed(
    compute: Callable[[Reporter], StoredPart | None], seconds: float | None, cluster: str | None, screen: Screen
) -> None:
    """A part of an answer, from its beginning to its last line. Raises InputError."""
    from odefit.terminal import Reporter

    if cluster is not None:
        raise InputError("--cluster", "is for whole answers, which it shares by itself; a part is computed here")
    if seconds is not None:
        raise InputError("--seconds", "is for whole answers; a part that is to end early is given a --time-limit")
    with Reporter(screen) as told:
        found = compute(told)
    close(found, screen)


def fit_parts(
    configs: Sequence[Path],
    part: str,
    place: tuple[Path | None, bool, bool],
    start_from: Path | None,
    only_beside: bool | None,
    quiet: bool,
    json: bool,
    overrides: Sequence[str] | None,
) -> None:
    """A part of a fit. place: --out, --overwrite, --resume. json: --json."""
    from odefit.parts.fits import fit_part
    from odefit.terminal import Reporter, console

    if len(configs) != 1:
        raise RunError("--starts", "is for one config at a time")
    screen, (out, overwrite, resume) = console(error=json, quiet=quiet), place
    with Reporter(screen) as told:
        found = fit_part(
            configs[0],
            part,
            overrides or (),
            out=out,
            overwrite=overwrite,
            resume=resume,
            start_from=start_from,
            only_beside=only_beside,
            progress=told,
        )
    close(found, screen)
    if json and found is not None:
        from odefit.documents import part_of, text_of

        typer.echo(text_of(part_of(found)))


def close(found: StoredPart | None, screen: Screen) -> None:
    """The last lines of a part, and how its command ends."""
    if found is None:
        raise typer.Exit(INTERRUPTED)
    screen.print(f"{found.part}: written to {found.path} in {found.seconds:.3g} s", markup=False)
    if found.part.end - found.part.first < found.part.all:
        words = join(("odefit", "merge", str(found.path)))
        screen.print(f"next, when all parts are there: {words} …", markup=False, soft_wrap=True)
