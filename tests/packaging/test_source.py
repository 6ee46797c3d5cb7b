"""Tests of the source distribution."""

import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from build_tools import SOURCE

BUILD = "import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])"
LISTED = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]


@pytest.mark.build
def test_it_contains_the_repository_but_its_workflows(tmp_path: Path) -> None:
    """So the tests can run in an unpacked one. The engine's source is downloaded by the build."""
    git = subprocess.run(LISTED, cwd=SOURCE, capture_output=True, text=True, check=False)
    if git.returncode != 0:
        pytest.skip("not a clone")
    subprocess.run([sys.executable, "-c", BUILD, tmp_path], cwd=SOURCE, check=True)
    (package,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(package) as archive:
        names = [PurePosixPath(name).parts for name in archive.getnames()]
    files = {"/".join(parts[1:]) for parts in names}
    assert {parts[0] for parts in names} == {package.name.removesuffix(".tar.gz")}
    ours = {name for name in git.stdout.splitlines() if (SOURCE / name).exists()}
    shipped = {name for name in ours if not name.startswith((".ci/", ".github/"))}
    assert files ^ shipped == {"PKG-INFO"}
