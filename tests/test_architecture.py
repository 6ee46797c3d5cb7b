"""The house: who may import what. One way, no way back (design: the house)."""

import ast
from pathlib import Path

import pytest

import gpustack_draw

PACKAGE = Path(gpustack_draw.__file__).parent

# From left to right; a module imports only what stands to its right.
ORDER = (
    "__main__",
    "cli",
    "drawing",
    "model_on_server",
    "model",
    "available_models",
    "remove_model",
    "machine",
    "engine_worker",
    "gpustack_server",
    "server_address",
    "local_engine",
    "core_engine",
    "import_core",
    "engine_process",
    "engine_end",
    "engine_messages",
    "model_plan",
    "progress_display",
    "notebook",
    "save_image",
    "output_plan",
    "memory",
    "cores",
    "control_groups",
    "picture",
    "parameters_reader",
    "foreign_parameters",
    "parameters",
    "parameters_text",
    "picture_texts",
    "embedded_text",
    "draw_settings",
    "resolve_model",
    "find_parts",
    "given_components",
    "local_parts",
    "fetch_model",
    "hub",
    "callbacks",
    "progress_line",
    "progress_text",
    "progress",
    "raster",
    "demo",
    "draw_place",
    "model_rules",
    "resolved_model",
    "component_sources",
    "model_checks",
    "model_folder",
    "families",
    "family_table",
    "model_header",
    "gguf_header",
    "safetensors_header",
    "checkpoint_header",
    "tensor_pickle",
    "pickle_machine",
    "pickle_values",
    "zip_directory",
    "tensor_table",
    "weight_formats",
    "choose_file",
    "model_reference",
    "foreign_address",
    "hub_address",
    "request",
    "web_ui_names",
    "errors",
    "untrusted",
    "units",
    "name_types",
    "names",
)
ONLY_USERS = {
    "gpustack_draw._core": {"import_core"},
    "PIL": {"output_plan", "raster", "save_image", "gpustack_server"},
    "sd_parsers": {"foreign_parameters"},
    "numpy": set(),
    "huggingface_hub": {"hub"},
    "subprocess": {"engine_process", "cli"},
    "argparse": {"cli"},
    "http": {"gpustack_server"},
    "ssl": {"gpustack_server", "hub"},
    "socket": {"gpustack_server", "hub"},
    "urllib.request": {"gpustack_server", "hub", "model_reference"},
}


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(file: Path) -> set[str]:
    """Give the full names a file imports, inside functions too, less those for type checkers."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_checkers = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in for_checkers:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_one_way(file: Path) -> None:
    room = room_of(file)
    right = set(ORDER[ORDER.index(room) :])
    imported = {
        name.split(".")[1]
        for name in imports_of(file)
        if name.startswith("gpustack_draw.") and name.split(".")[1] in ORDER
    }
    assert imported - right == set()


@pytest.mark.parametrize("module", ONLY_USERS)
def test_only_one_room_knows_a_library(module: str) -> None:
    users = {
        room_of(file)
        for file in FILES
        if any(name == module or name.startswith(f"{module}.") for name in imports_of(file))
    }
    assert users <= ONLY_USERS[module]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_file_is_too_long_to_be_read_at_once(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400
