"""The shipped configs with their data, for somebody who installed odefit and has no copy of its repository."""

from __future__ import annotations

from pathlib import Path

from odefit.config.load import load_config
from odefit.config.named_files import named_files
from odefit.data.outputs import write_file
from odefit.errors import ConfigError, Fault, RunError
from odefit.model.tokens import suggestion
from odefit.records import dataclass

HERE = Path(__file__).parent
FOLDERS = ("configs", "data")


@dataclass(frozen=True)
class Demo:
    """A shipped config.

    Parameters
    ----------
    name
        What `odefit demo` calls it: its file below `configs`, without the ending.
    title
        What it fits.
    files
        The config and the files that it names, as paths relative to `shipped()`.
    """

    name: str
    title: str
    files: tuple[Path, ...]


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


def copy_demos(names: list[str], target: Path) -> list[Demo]:
    """Copy shipped configs and their data into a folder, where they may be edited.

    Parameters
    ----------
    names
        Of configs, as `demos` has them; none: all, with the pages that describe them.
    target
        The folder, made if it is missing. It gets the folders `configs` and `data`.

    Returns
    -------
    list of Demo
        What was copied.

    Raises
    ------
    ConfigError
        A name that is none.
    RunError
        The folder cannot be written.
    """
    known = demos()
    unknown = [name for name in names if name not in known]
    if unknown:
        why = "is no shipped config{}; `odefit demo --list` shows them"
        raise ConfigError(faults=[Fault(name, why.format(suggestion(name, known))) for name in unknown])
    chosen = [known[name] for name in names] if names else list(known.values())
    root = shipped()
    files = {file for demo in chosen for file in demo.files}
    if not names:
        files |= {path.relative_to(root) for folder in FOLDERS for path in (root / folder).rglob("*.md")}
    for file in sorted(files):
        write_file(target / file, (root / file).read_bytes())
    return chosen
