"""What `odefit.report` returns: a document, to look at and to write."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path

from odefit.arguments import checked
from odefit.arguments import path as a_path
from odefit.data.outputs import write_file
from odefit.records import dataclass
from odefit.runs import folder as files


@dataclass(frozen=True, repr=False)
class Report:
    """A run as one HTML document that loads nothing.

    Attributes
    ----------
    html
        The document.
    title
        Its title.
    path
        Where it was written; None where it was not.
    """

    html: str
    title: str
    path: Path | None = None

    def __repr__(self) -> str:
        return f"<Report '{self.title}': {len(self.html) / 1e6:.2f} MB, {self.path or 'not written'}>"

    def _repr_html_(self) -> str:
        """For notebooks: the document in a frame of its own."""
        document = html.escape(self.html)
        return f'<iframe srcdoc="{document}" style="width:100%;height:720px;border:1px solid #ccc"></iframe>'

    @checked(path=a_path)
    def save(self, path: Path | str) -> Report:
        """Write it.

        Parameters
        ----------
        path
            A file, or a folder, which then has `report.html`.

        Returns
        -------
        Report
            The same, with its `path`.

        Raises
        ------
        RunError
            The file cannot be written; StorageError where the disk is full, or refuses.
        """
        target = Path(path)
        target = target / files.REPORT if target.is_dir() else target
        write_file(target, self.html)
        return Report(self.html, self.title, target)

    @checked(path=a_path)
    def save_pdf(self, path: Path | str) -> Path:
        """Print it by Chromium or Chrome, where one is found.

        Parameters
        ----------
        path
            The PDF file.

        Returns
        -------
        pathlib.Path
            The same.

        Raises
        ------
        RunError
            There is no browser that prints, or it failed.
        """
        from odefit.reporting.pdf import print_pdf

        target = Path(path)
        with tempfile.TemporaryDirectory(prefix="odefit-") as folder:
            print_pdf(self.save(Path(folder)).path or target, target)
        return target
