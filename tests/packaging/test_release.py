"""Tests of the check that precedes a release."""

from pathlib import Path

import pytest
from build_tools import SOURCE, load_tool

check_release = load_tool("check_release")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.0 (2027-01-31)\n")
    (tmp_path / "CITATION.cff").write_text("version: 1.2.0\n")
    return tmp_path


def test_a_tag_fits_the_version_the_changelog_and_the_citation(project: Path) -> None:
    assert check_release.problems("v1.2.0", project) == []


def test_a_release_with_another_version_is_refused(project: Path) -> None:
    (project / "CHANGELOG.md").write_text("## Unreleased\n")
    (project / "CITATION.cff").write_text("version: 1.1.0\n")
    assert check_release.problems("v1.3.0", project) == [
        "the tag is v1.3.0, the version of the project 1.2.0",
        "CHANGELOG.md has no version 1.2.0",
        "CITATION.cff has no version 1.2.0",
    ]


def test_a_backend_of_another_version_is_refused(project: Path) -> None:
    backend = project / "backends" / "vulkan"
    backend.mkdir(parents=True)
    (backend / "pyproject.toml").write_text(
        '[project]\nversion = "1.1.0"\ndependencies = ["gpustack-draw==1.1.0"]\n'
    )
    assert check_release.problems("v1.2.0", project) == [
        "backends/vulkan/pyproject.toml has no version 1.2.0, or needs another gpustack-draw",
        "pyproject.toml has no extra with gpustack-draw-vulkan==1.2.0",
    ]


def test_the_backends_have_the_version_of_the_project() -> None:
    problems = check_release.problems(f"v{check_release.project_version(SOURCE)}", SOURCE)
    assert [problem for problem in problems if "gpustack-draw" in problem] == []


def test_the_citation_has_the_version_of_the_project() -> None:
    version = check_release.project_version(SOURCE)
    assert f"\nversion: {version}\n" in (SOURCE / "CITATION.cff").read_text()
