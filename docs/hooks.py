"""mkdocs: pages from outside docs/, and links that work both in the checkout and in the site."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OUTSIDE = {"README.md": "index.md", "benchmarks/README.md": "benchmarks.md", "CHANGELOG.md": "changelog.md"}
"""Page of the site for a file of the checkout."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(Path(config.docs_dir).parent / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the checkout into links between pages of the site."""
    uri = page.file.src_uri
    source = next((path for path, site in OUTSIDE.items() if site == uri), f"docs/{uri}")

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        target = OUTSIDE.get(target) or posixpath.relpath(target, "docs")
        return f"]({posixpath.relpath(target, posixpath.dirname(uri) or '.')}"

    return re.sub(r"\]\(([^)#:]+)", link, markdown)
