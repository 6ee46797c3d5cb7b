"""Build the docs site: `python tools/build_site.py` writes build/site.

The READMEs become the front pages, and links to files outside docs/ lead to the repository.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "build" / "site-pages"
SOURCE = "https://github.com/gpustack/gpustack-draw/blob/main/"

# Pages of the site, relative to its root, by the files that they come from.
READMES = {"README.md": "index.md", "README.zh-CN.md": "zh/index.md"}
_LINK = re.compile(r"\]\(([^)#:]+)(?=[)#])")


def write_pages(folder: Path = PAGES) -> None:
    """Copy docs/ and the READMEs into a folder, with links that work there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    pages = {f"docs/{page.relative_to(folder)}": page for page in folder.rglob("*.md")}
    pages |= {name: folder / page for name, page in READMES.items()}
    for name, page in pages.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        page.write_text(_with_links(text, name), encoding="utf-8")


def _with_links(text: str, name: str) -> str:
    """Return the text of a file with the links of its page in the site.

    Args:
        text: The text.
        name: Path of the file in the repository.
    """
    folder, page_folder = Path(name).parent, Path(_page_of(name)).parent

    def target(match: "re.Match[str]") -> str:
        linked = os.path.normpath(folder / match[1])
        page = _page_of(linked)
        return f"]({os.path.relpath(page, page_folder)}" if page else f"]({SOURCE}{linked}"

    return _LINK.sub(target, text)


def _page_of(name: str) -> str:
    """Return the page of a file, relative to the root of the site; empty if it has none."""
    return READMES.get(name, name.removeprefix("docs/") if name.startswith("docs/") else "")


if __name__ == "__main__":
    write_pages()
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
