"""How Sphinx builds the site of these pages: make docs."""

import re
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "site"))  # the pages that are generated from the code

import reference_pages  # noqa: E402

project = "Rotoscope"
copyright = "The Rotoscope authors, Apache-2.0"
html_title = "Rotoscope"
html_theme = "furo"
html_static_path = ["site/static"]
html_css_files = ["rotoscope.css"]
html_show_sourcelink = False
html_copy_source = False
smartquotes = False  # they turn --option into a dash and the quotes of code into others
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
root_doc = "README"
exclude_patterns = ["site", "_build"]
highlight_language = "console"
suppress_warnings = ["misc.highlighting_failure"]  # blocks of commands with their output are of no language
SOURCE = "https://github.com/rotoscope/rotoscope/blob/main/"


def link_to_repository(_app, docname, content):
    """Turn links to files outside this folder into links to the repository."""
    depth = docname.count("/") + 1
    content[0] = re.sub(r"\]\((?:\.\./){%d}(?!\.)([^)\s]+)\)" % depth, rf"]({SOURCE}\1)", content[0])  # noqa: UP031


def write_reference(app):
    """Write the pages that come from the code."""
    reference_pages.write(Path(app.srcdir) / "reference")


def copy_to_index(app, error):
    """Let the first page also be index.html."""
    if error is None and app.builder.format == "html":
        shutil.copy(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app):
    """Connect the functions above."""
    app.connect("builder-inited", write_reference)
    app.connect("source-read", link_to_repository)
    app.connect("build-finished", copy_to_index)
