"""Check that a release tag, the versions of all packages, the changelog and the citation agree."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def project_version(root: Path = ROOT) -> str:
    """Return the version in the project's pyproject.toml."""
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    if found is None:
        raise ValueError("pyproject.toml has no version")
    return found[1]


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return the disagreements with a tag; empty if there are none.

    Args:
        tag: The tag, ``vVERSION``.
        root: Folder of the project.
    """
    version = project_version(root)
    texts = {
        "CHANGELOG.md": rf"^## {re.escape(version)}\b",
        "CITATION.cff": rf"^version: {re.escape(version)}$",
    }
    wrong = []
    if tag != f"v{version}":
        wrong.append(f"the tag is {tag}, the version of the project {version}")
    for name, pattern in texts.items():
        if not re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE):
            wrong.append(f"{name} has no version {version}")
    for project in sorted(root.glob("backends/*/pyproject.toml")):
        text = project.read_text(encoding="utf-8")
        name = f"backends/{project.parent.name}/pyproject.toml"
        if f'\nversion = "{version}"\n' not in text or f'"gpustack-draw=={version}"' not in text:
            wrong.append(f"{name} has no version {version}, or needs another gpustack-draw")
        extra = f"gpustack-draw-{project.parent.name}=={version}"
        if extra not in (root / "pyproject.toml").read_text(encoding="utf-8"):
            wrong.append(f"pyproject.toml has no extra with {extra}")
    return wrong


if __name__ == "__main__":
    sys.exit("\n".join(problems(sys.argv[1])))
