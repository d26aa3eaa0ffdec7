"""Sphinx: ``sphinx-build -W --keep-going python/docs build/docs``, with ``pip install ".[docs]"``."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert as mathml
from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from cases import remember_cases
from commands import write_commands
from pages import slug_of, with_links_to_pages, write_pages
from pictures import with_texts

project = "fastfuse"
release = version_of("fastfuse")
version = release
author = copyright = "the fastfuse authors"

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["gallery", "auto_examples/*.ipynb", "auto_examples/*.py"]
templates_path = ["_templates"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}
nitpicky = False  # numpydoc's types are prose: "array of bool", "path"
suppress_warnings = ["config.cache"]  # what sphinx_gallery keeps is no plain data

# -- text -------------------------------------------------------------------------------------------------------

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_heading_slug_func = slug_of
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

# -- the API ----------------------------------------------------------------------------------------------------

autodoc_typehints = "none"  # numpydoc tells them in words, with shapes and units
# What the adapters subclass brings PyTorch, gigabytes that the extra docs does without, and seconds where it is there.
autodoc_mock_imports = ["monai", "torchio"]
autosummary_generate = True
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False

# Pictures of the figures: drawn from the code in their docstrings.
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 150)]

# -- links ------------------------------------------------------------------------------------------------------

# Nothing is fetched at build time unless it is asked for: a build without a network is a build, too.
ONLINE = bool(os.environ.get("FASTFUSE_DOCS_ONLINE"))
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "nibabel": ("https://nipy.org/nibabel", None),
    }
    if ONLINE
    else {}
)
linkcheck_ignore = [r"https://doi\.org/.*"]  # publishers refuse programs
linkcheck_timeout = 20

# -- the gallery ------------------------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "download_all_examples": False,
    "write_computation_times": False,
    "show_memory": False,
    "min_reported_time": 1e9,
    "abort_on_example_error": True,
    "backreferences_dir": None,
}

# -- the look ---------------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "fastfuse"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["fastfuse.css"]
html_favicon = "_static/icon.svg"
html_theme_options = {
    "navigation_with_keys": True,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"**": ["globaltoc.html"], "index": []}

html_math_renderer = "mathml"


def setup(app: Sphinx) -> None:
    """Write formulas as MathML, which browsers show without a script from elsewhere; turn links; give pictures texts."""
    app.add_html_math_renderer("mathml", (formula_in_text, None), (formula, None))
    app.connect("autodoc-process-signature", signature_of_adapters)
    app.connect("source-read", turn_links)
    app.connect("doctree-resolved", with_texts)
    app.connect("html-page-context", list_pages_once, priority=1)
    app.connect("html-collect-pages", without_unread, priority=1)


def signature_of_adapters(
    _: Sphinx, what: str, _name: str, one: Any, _options: Any, told: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Return an adapter's own signature: Sphinx takes that of ``__new__`` of MONAI's class, or of a mock."""
    if what == "class" and one.__module__.startswith("fastfuse.adapters."):
        return stringify_signature(inspect.signature(one), show_annotation=False), returned
    return told, returned


def list_pages_once(_: Sphinx, _name: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Keep a page's list of pages: the theme writes it, to see whether it is empty, and writes it again."""
    context["toctree"] = functools.cache(context["toctree"])


def turn_links(_: Sphinx, name: str, source: list[str]) -> None:
    """Turn links to the repository's files, in what is written here, to the pages that are built of them."""
    if not name.startswith(("pages/", "auto_examples/", "api")):
        source[0] = with_links_to_pages(source[0], name)


def without_unread(app: Sphinx) -> list[Any]:
    """Leave modules that Sphinx cannot parse, some with overloads, out of the list of sources, where their links led nowhere."""
    known = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, entry in known.items() if not entry]:
        del known[name]
    return []


def formula_in_text(writer: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    writer.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def formula(writer: Any, node: nodes.math_block) -> None:
    """Write a formula that stands by itself."""
    writer.body.append(f'<div class="math">{mathml(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


remember_cases()
write_pages(HERE)
write_commands(HERE / "pages")
