"""How to do it again: the config, the data's fingerprint, the versions, the seed, the commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from markupsafe import Markup

from odefit.reporting.blocks import Block, Paragraph, Section, Table, Text
from odefit.reporting.markup import element
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun

MOST_CONFIG = 60_000
"""Characters of a config that is printed."""


def reproduce(run: StoredRun) -> Section:
    """The section."""
    result = run.result
    identity: Mapping[str, Any] = run.identity()
    rows: list[list[str | Markup | None]] = [["seed", str(result.seed)]]
    rows += [[name, version] for name, version in result.versions.items()]
    prints: list[list[str | Markup | None]] = [
        [what, element("code", str(digest))] for what, digest in identity.get("data", {}).items()
    ]
    text, is_cut = _config(run)
    folder = "the run folder" if run.path is not None else "a folder with the data"
    blocks: list[Block] = [
        Paragraph(
            f"The config below, in {folder} beside the data, gives the same numbers again on the same versions. All "
            "tables of this report are in the run folder as CSV and JSON."
        ),
        Text(
            "Commands",
            f"pip install odefit=={result.versions.get('odefit', '')}\nodefit fit config.yaml\nodefit report RUN\n",
        ),
        Table("Versions and seed", ("what", "value"), rows),
        Table("Fingerprints of the data (SHA-256)", ("of", "fingerprint"), prints, folded=True),
        Text("config.yaml" + (" (its beginning)" if is_cut else ""), text, folded=len(text) > 4000),
    ]
    return Section("reproduce", "How to reproduce it", blocks)


def _config(run: StoredRun) -> tuple[str, bool]:
    try:
        text = None if run.path is None else (run.path / files.CONFIG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = None
    if text is None:
        plain = run.loaded.config.model_dump(mode="json", exclude_unset=True)
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return text[:MOST_CONFIG], len(text) > MOST_CONFIG
