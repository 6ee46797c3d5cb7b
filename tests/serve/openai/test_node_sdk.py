"""OpenAI's SDK for Node against the server: straight, and through a proxy like GPUStack's."""

import base64
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from input_files import encoded
from PIL import Image

CLIENT = Path(__file__).with_name("node_client.js")
NODE = shutil.which("node") or "node"


def has_sdk() -> bool:
    """Return whether node, and its package openai, are installed."""
    try:
        done = subprocess.run(
            [NODE, "-e", "require('openai')"], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


pytestmark = pytest.mark.engine


@pytest.fixture(scope="session", autouse=True)
def _sdk() -> None:
    """Skip the tests without the SDK, before a server is started for them."""
    if not has_sdk():
        pytest.skip(
            "Node's package openai is missing: npm install --prefix DIR openai, and set"
            " NODE_PATH=DIR/node_modules"
        )


def size_of(text: str) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(text))).size


def test_generate_edit_and_stream(url: str) -> None:
    picture = base64.b64encode(encoded(Image.new("RGB", (64, 64), "green"))).decode()
    command = [NODE, str(CLIENT), url, picture]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    files = [*found.pop("files"), found.pop("edit")]
    assert [size_of(file) for file in files] == [(64, 64)] * 3
    assert found == {
        "models": ["demo"],
        "seeds": [7, 8],
        "size": "64x64",
        "stream": [
            ["image_generation.partial_image", True],
            ["image_generation.completed", True],
        ],
        "editStream": [["image_edit.partial_image", True], ["image_edit.completed", True]],
        "error": ["BadRequestError", 400, "size"],
    }
