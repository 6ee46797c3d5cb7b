"""Build the docs site: `python tools/build_site.py` writes build/site.

The README becomes the front page, and links to files outside docs/ lead to the repository.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "build" / "site-pages"
SOURCE = "https://github.com/gpustack/gpustack-draw/blob/main/"

_LINK_TO_README = re.compile(r"\]\((?:\.\./)+README\.md")
_LINK_OUT_OF_DOCS = re.compile(r"\]\((?:\.\./)+(?=[A-Z]+\.md|benchmarks/)")


def write_pages(folder: Path = PAGES) -> None:
    """Copy docs/ and the README into a folder, with links that work there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (folder / "index.md").write_text(_front_page(readme), encoding="utf-8")
    for page in folder.rglob("*.md"):
        depth = len(page.relative_to(folder).parts) - 1
        text = page.read_text(encoding="utf-8")
        text = _LINK_TO_README.sub("](" + "../" * depth + "index.md", text)
        page.write_text(_LINK_OUT_OF_DOCS.sub(f"]({SOURCE}", text), encoding="utf-8")


def _front_page(readme: str) -> str:
    text = readme.replace("](docs/", "](")
    return re.sub(r"\]\((?=[A-Z]+\.md|benchmarks/)", f"]({SOURCE}", text)


if __name__ == "__main__":
    write_pages()
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
