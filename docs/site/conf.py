"""Sphinx: one site from docs/*.md, the docstrings of the Python package and include/swiftclip.h (`make docs`)."""

import sys
from pathlib import Path

SITE = Path(__file__).resolve().parent
ROOT = SITE.parents[1]
sys.path[:0] = [str(SITE), str(ROOT / "bindings" / "python")]

import header  # noqa: E402
import swiftclip  # noqa: E402

project = "swiftclip"
author = "the swiftclip authors"
project_copyright = "the swiftclip authors, MIT licence"
version = release = swiftclip.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "hawkmoth", "reference"]
exclude_patterns = ["site"]
html_theme = "furo"
html_title = f"swiftclip {release}"
html_static_path = []
html_copy_source = False

myst_heading_anchors = 4  # the anchors that GitHub makes, so that one link fits both
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # a page may begin below the first level, as GitHub shows it

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
c_maximum_signature_line_length = 88

# Hawkmoth reads comments that begin with /**, in front of what they are about. The header's are for people: a copy of it,
# a file for each of its sections, is brought into that form.
hawkmoth_root = str(ROOT / "build" / "docs-header")
hawkmoth_clang = header.clang_arguments()
swiftclip_sections = header.write_sections(ROOT / "include" / "swiftclip.h", Path(hawkmoth_root))
