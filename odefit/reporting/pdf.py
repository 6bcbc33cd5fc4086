"""The report as PDF, printed by a browser without a window, where one is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from odefit.data.outputs import write_file
from odefit.data.source_files import reason
from odefit.errors import RunError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
"""Names under which Chromium and its relatives are found."""
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
VARIABLE = "ODEFIT_BROWSER"
"""The environment variable that names the browser."""
SECONDS = 120.0
NONE_FOUND = (
    "no Chromium or Chrome was found to print it: open the HTML file in any browser and print it to a PDF there, or "
    f"name the browser in the environment variable {VARIABLE}"
)


def browser() -> str | None:
    """The browser that prints; None where there is none."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return shutil.which(named)
    found = (shutil.which(name) for name in (*BROWSERS, *PLACES))
    return next((path for path in found if path), None)


def print_pdf(html: Path, target: Path) -> None:
    """Print a report.

    Parameters
    ----------
    html
        The file.
    target
        The PDF, whole or not at all.

    Raises
    ------
    RunError
        There is no browser, or it prints nothing.
    """
    program = browser()
    if program is None:
        raise RunError(str(target), NONE_FOUND)
    with tempfile.TemporaryDirectory(prefix="odefit-") as folder:
        printed = Path(folder) / "report.pdf"
        options = ["--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"]
        options += [f"--user-data-dir={folder}/profile", f"--print-to-pdf={printed}"]
        # A container's root has no namespaces for a sandbox; the page is the program's own and runs no other script.
        options += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        try:
            subprocess.run(
                [program, *options, html.resolve().as_uri()],
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                env=_environment(),
            )
            content = printed.read_bytes()
        except subprocess.TimeoutExpired:
            raise RunError(str(target), f"{program} did not print within {SECONDS:g} s; print the HTML file") from None
        except FileNotFoundError:
            raise RunError(str(target), f"{program} printed nothing; open the HTML file and print it there") from None
        except OSError as error:
            raise RunError(str(target), f"{program} cannot be run: {reason(error)}; print the HTML file") from None
    write_file(target, content)


def _environment() -> Mapping[str, str]:
    return {key: value for key, value in os.environ.items() if key != VARIABLE}
