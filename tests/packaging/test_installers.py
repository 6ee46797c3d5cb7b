"""Tests of pipx and uv with a wheel that `nox -s wheel` built: installing, updating, removing."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from build_tools import tool
from built_packages import needs_wheel, wheel_of_this_python

pytestmark = [pytest.mark.build, needs_wheel]
PAGE = "share/man/man1/gpustack-draw.1"
COMPLETIONS = {
    "bash-completion/completions/gpustack-draw",
    "zsh/site-functions/_gpustack-draw",
    "fish/vendor_completions.d/gpustack-draw.fish",
}


@dataclass(frozen=True)
class Home:
    """A folder in which an installer keeps all it installs."""

    folder: Path

    def run(self, *command: str) -> str:
        """Run a program without settings of this machine; return its output."""
        settings = {
            "HOME": str(self.folder),
            "PATH": os.pathsep.join([f"{self.folder}/.local/bin", os.environ["PATH"]]),
            "PIPX_HOME": str(self.folder / "pipx"),
            "XDG_DATA_HOME": str(self.folder / ".local" / "share"),
        }
        found = tool(command[0]) or shutil.which(command[0], path=settings["PATH"])
        if found is None:
            pytest.skip(f"{command[0]} is not installed")
        kept = {
            name: value
            for name, value in os.environ.items()
            if re.match(r"(PIP|UV|SSL|REQUESTS)_", name) and not name.startswith("UV_TOOL")
        }
        done = subprocess.run(
            [found, *command[1:]],
            env={**kept, **settings},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def draw(self) -> None:
        """Draw with the installed command."""
        command = [str(self.folder / ".local/bin/gpustack-draw"), "demo", "a red circle"]
        options = ["--size", "64x64", "--sample-steps", "1", "--output", "circle.png"]
        assert self.run(*command, *options) == "circle.png\n"

    def left(self) -> set[str]:
        """Return what is in the folders of commands, man pages and completions."""
        local = self.folder / ".local"
        links = [*local.glob("bin/*"), *local.glob("share/**/*gpustack-draw*")]
        return {str(path.relative_to(local)) for path in links if not path.is_dir()}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_pipx_installs_updates_and_removes(home: Home) -> None:
    """It links the man page, which man finds by the path of the command, and the completions."""
    home.run("pipx", "install", str(wheel_of_this_python()))
    home.draw()
    expected = {"bin/gpustack-draw", PAGE, *(f"share/{path}" for path in COMPLETIONS)}
    assert home.left() == expected
    found = home.run("man", "-w", "gpustack-draw").removesuffix("\n")
    assert Path(found) == (home.folder / ".local" / PAGE).resolve()
    home.run("pipx", "install", "--force", str(wheel_of_this_python()))
    assert home.left() == expected
    home.run("pipx", "uninstall", "gpustack-draw")
    assert home.left() == set()


def test_uv_installs_updates_and_removes(home: Home) -> None:
    """It links the command only: completions are printed by the command."""
    home.run("uv", "tool", "install", str(wheel_of_this_python()))
    home.draw()
    assert "bin/gpustack-draw" in home.left()
    assert not [path for path in home.left() if path.startswith("share/man/")]
    home.run("uv", "tool", "install", "--reinstall", str(wheel_of_this_python()))
    assert "bin/gpustack-draw" in home.left()
    home.run("uv", "tool", "uninstall", "gpustack-draw")
    assert "bin/gpustack-draw" not in home.left()
