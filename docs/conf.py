"""How the site is built: `python -m sphinx -E -W --keep-going -b html docs build/site`."""

from __future__ import annotations

import sys
from pathlib import Path

import odefit

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "odefit"
author = "the odefit developers"
copyright = author
release = version = odefit.__version__
html_title = f"odefit {version}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml"]
default_role = "code"
exclude_patterns = ["README.md", "images/*"]
suppress_warnings = ["misc.highlighting_failure"]

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True

html_math_renderer = "mathml"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["odefit.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#8ec5e8", "color-brand-content": "#8ec5e8"},
}
