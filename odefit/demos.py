"""The shipped configs with their data, for somebody who installed odefit and has no copy of its repository; and an
example of every built-in system, with measurements that are made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from odefit.config.load import load_config
from odefit.config.named_files import named_files
from odefit.data.outputs import write_file
from odefit.errors import ConfigError, Fault, RunError
from odefit.model import catalogue
from odefit.model.tokens import suggestion
from odefit.proposing.examples import example
from odefit.records import dataclass

HERE = Path(__file__).parent
CONFIGS, DATA = FOLDERS = ("configs", "data")
IN_THEIR_PLACE = {"mlp": "neural_van_der_pol", "latent_ode": "latent_spirals"}
"""Built-in systems whose example is a shipped config of another name."""


@dataclass(frozen=True)
class Demo:
    """A config with its data.

    Parameters
    ----------
    name
        What `odefit demo` calls it: its file below `configs`, without the ending.
    title
        What it fits.
    files
        The config and the files that it names, as paths relative to `shipped()`, or to where they are written.
    command
        What is done with it.
    """

    name: str
    title: str
    files: tuple[Path, ...]
    command: str = "fit"


def shipped() -> Path:
    """The folder that holds `configs` and `data`, in the package or the repository around it. Raises RunError."""
    for folder in (HERE / "demo_files", HERE.parent):
        if (folder / "configs" / "lynx_hare.yaml").is_file():
            return folder
    raise RunError(str(HERE / "demo_files"), "is missing: this installation has no shipped configs; install it again")


def demos() -> dict[str, Demo]:
    """Every shipped config by its name. Raises RunError."""
    root = shipped()
    configs = root / "configs"
    paths = sorted(configs.rglob("*.yaml"), key=lambda path: (len(path.parts), path.name))
    return {demo.name: demo for demo in (_demo(root, path) for path in paths)}


def _demo(root: Path, path: Path) -> Demo:
    """A config that lies below `root`."""
    config = load_config(path).config
    named = ((path.parent / name).resolve().relative_to(root.resolve()) for _, name in named_files(config))
    relative = path.relative_to(root)
    return Demo(path.relative_to(root / "configs").with_suffix("").as_posix(), config.title or "", (relative, *named))


def built_in() -> dict[str, str]:
    """Name -> title of the built-in systems whose example is made, since no shipped config has their name."""
    known = {*demos(), *IN_THEIR_PLACE}
    return {name: catalogue.entry(name).title for name in catalogue.names() if name not in known}


def copy_demos(names: Sequence[str], target: Path, overwrite: bool = False) -> list[Demo]:
    """Copy shipped configs and their data into a folder, where they may be edited; or make examples.

    Parameters
    ----------
    names
        Of configs, as `demos` has them, or of built-in systems; none: all that are shipped, with the pages that
        describe them.
    target
        The folder, made if it is missing. It gets the folders `configs` and `data`.
    overwrite
        Whether files that are there are replaced.

    Returns
    -------
    list of Demo
        What was copied or made.

    Raises
    ------
    ConfigError
        A name that is none.
    RunError
        The folder cannot be written, or has one of the files already.
    """
    shipped_ones, systems = demos(), catalogue.names()
    asked = [IN_THEIR_PLACE.get(name, name) for name in names]
    known = [*shipped_ones, *systems]
    unknown = [name for name in asked if name not in known]
    if unknown:
        why = "is no shipped config and no built-in system{}; `odefit demo --list` shows them"
        raise ConfigError(faults=[Fault(name, why.format(suggestion(name, known))) for name in unknown])
    made = [_made(name) for name in asked if name not in shipped_ones]
    copied = [shipped_ones[name] for name in asked if name in shipped_ones] if names else list(shipped_ones.values())
    root = shipped()
    files = {file for demo in copied for file in demo.files}
    if not names:
        files |= {path.relative_to(root) for folder in FOLDERS for path in (root / folder).rglob("*.md")}
    contents = {file: (root / file).read_bytes() for file in sorted(files)}
    contents |= {file: text.encode() for _, own in made for file, text in own.items()}
    there = [target / file for file in contents if (target / file).exists()]
    if there and not overwrite:
        raise RunError(str(there[0]), "exists already; choose another --out, or say --overwrite")
    for file, content in contents.items():
        write_file(target / file, content)
    return [*copied, *(demo for demo, _ in made)]


def _made(name: str) -> tuple[Demo, dict[Path, str]]:
    """The example of a built-in system, and its files."""
    config, csv = Path(CONFIGS, f"{name}.yaml"), Path(DATA, f"{name}.csv")
    one = example(name, str(Path("..", csv)))
    return Demo(name, one.title, (config, csv), one.command), {config: one.config, csv: one.table}
