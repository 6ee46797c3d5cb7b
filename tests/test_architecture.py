"""Tests of the package's layers: imports go downward, and each library has few users."""

import ast
from pathlib import Path

import pytest

import gpustack_draw

PACKAGE = Path(gpustack_draw.__file__).parent
FILES = sorted(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")

# From top to bottom: a module imports from its own layer and from lower layers.
LAYERS: tuple[set[str], ...] = (
    {"__main__"},
    {"cli"},
    {"serve"},
    {"api", "list_models", "remove_model", "upscale_picture"},
    {"model", "model_engine"},
    {"engine", "gpustack_server"},
    {"plan"},
    {"display"},
    {"pictures"},
    {"memory", "speed"},
    {"resolver"},
    {"hub"},
    {"headers", "progress"},
    {"inputs"},
    {"request"},
    {"demo", "errors", "phrases", "units", "untrusted"},
)
LAYER_OF = {name: number for number, layer in enumerate(LAYERS) for name in layer}
# Packages of one layer that must not import each other.
INDEPENDENT = {
    frozenset({"engine", "gpustack_server"}),
    frozenset({"headers", "progress"}),
    frozenset({"memory", "speed"}),
}

ONLY_USERS = {
    "gpustack_draw._core": {"engine.import_core"},
    "PIL": {"inputs", "pictures", "progress", "gpustack_server", "serve"},
    "numpy": {"inputs"},
    "huggingface_hub": {"hub.settings"},
    "starlette": {"serve"},
    "uvicorn": {"serve"},
    "python_multipart": {"serve"},
    "sd_parsers": {"pictures.foreign_parameters"},
    "subprocess": {"engine.launch", "cli"},
    "argparse": {"cli"},
    "http": {"gpustack_server"},
    "ssl": {"gpustack_server", "hub"},
    "socket": {"gpustack_server", "hub.network_variables", "serve.server"},
    "urllib.request": {"gpustack_server", "hub", "request"},
}


def module_of(file: Path) -> str:
    """Return a file's module name below the package, such as ``hub.cache``."""
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(file): file for file in FILES}


def imports_of(file: Path, *, type_only: bool) -> set[str]:
    """Return the fully qualified names that a file imports, inside functions too.

    Args:
        file: The file.
        type_only: Include imports for type checkers.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped = {
        node
        for block in ast.walk(tree)
        if not type_only and isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def own_imports_of(file: Path) -> set[str]:
    """Return the modules of this package that a file imports, for type checkers too."""
    names = {name.removeprefix("gpustack_draw.") for name in imports_of(file, type_only=True)}
    return names & MODULES.keys() - {module_of(file)}


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    layer = module.partition(".")[0]
    imported = {name.partition(".")[0] for name in own_imports_of(MODULES[module])} - {layer}
    upward = {name for name in imported if LAYER_OF[name] < LAYER_OF[layer]}
    assert upward == set()
    assert not {frozenset({layer, name}) for name in imported} & INDEPENDENT


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {module: own_imports_of(file) for module, file in MODULES.items()}
    # Importing a module also imports its packages, which is not a use of their content.
    packages = {module for module, file in MODULES.items() if file.name == "__init__.py"}
    while free := {module for module, imported in left.items() if not imported - packages}:
        left = {module: imported - free for module, imported in left.items() if module not in free}
    assert left == {}


@pytest.mark.parametrize("library", ONLY_USERS)
def test_each_library_has_its_users(library: str) -> None:
    users = {
        module
        for module, file in MODULES.items()
        if any(
            name == library or name.startswith(f"{library}.")
            for name in imports_of(file, type_only=False)
        )
    }
    allowed = ONLY_USERS[library]
    others = {
        user for user in users if not any(f"{user}.".startswith(f"{each}.") for each in allowed)
    }
    assert others == set()


# Modules that ``serve`` may import; of all others it uses the names that ``gpustack_draw`` exports.
OPEN_TO_SERVE = {"errors", "phrases", "units", "untrusted"}


@pytest.mark.parametrize("module", [name for name in MODULES if name.partition(".")[0] == "serve"])
def test_the_server_uses_public_names_of_the_library(module: str) -> None:
    inside = {name for name in own_imports_of(MODULES[module]) if name.partition(".")[0] != "serve"}
    assert inside - OPEN_TO_SERVE == set()


def test_few_modules_lie_outside_packages() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 13


@pytest.mark.parametrize("module", MODULES)
def test_no_file_has_more_than_400_lines(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 400
