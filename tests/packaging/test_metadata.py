"""Tests of the metadata for package indexes and installers."""

import re

from build_tools import SOURCE

# Libraries whose license cmake/EngineLibrary.cmake ships. libgomp is in repaired wheels only, under
# the GCC runtime library exception.
LICENSES = {
    "stable-diffusion.cpp": "MIT",
    "ggml": "MIT",
    "llamafile": "MIT",
    "nlohmann-json": "MIT",
    "zip": "MIT",
    "miniz": "MIT AND Unlicense",
    "pybind11": "BSD-3-Clause",
    "darts-clone": "BSD-3-Clause",
}
PROJECT = (SOURCE / "pyproject.toml").read_text(encoding="utf-8")


def test_the_license_covers_all_linked_libraries() -> None:
    cmake = (SOURCE / "cmake" / "EngineLibrary.cmake").read_text(encoding="utf-8")
    shipped = re.findall(r'^\s*copy_license\(([\w.-]+) "', cmake, re.MULTILINE)
    shipped += re.findall(r'^copy_license_at_top_of\("[^"]+" ([\w.-]+)', cmake, re.MULTILINE)
    assert set(shipped) == set(LICENSES)
    (expression,) = re.findall(r'^license = "(.*)"$', PROJECT, re.MULTILINE)
    terms = {term for license_ in LICENSES.values() for term in license_.split(" AND ")}
    assert set(expression.split(" AND ")) == {"Apache-2.0", *terms}


def test_the_urls_of_the_project_are_complete() -> None:
    (urls,) = re.findall(r"^\[project\.urls\]\n((?:\w+ = .*\n)+)", PROJECT, re.MULTILINE)
    addresses = re.findall(r'"(.*)"', urls)
    assert len(addresses) >= 4
    places = (
        "https://github.com/gpustack/gpustack-draw",
        "https://gpustack.github.io/gpustack-draw/",
    )
    assert all(url.startswith(places) for url in addresses)
    for path in re.findall(r"/(?:blob|tree)/main/([^\"]+)", urls):
        assert (SOURCE / path).exists()


def test_each_system_that_wheels_are_built_for_has_a_classifier() -> None:
    systems = {"manylinux": "POSIX :: Linux", "macosx": "MacOS", "win": "Microsoft :: Windows"}
    (built,) = re.findall(r'^build = "(cp3.*)"$', PROJECT, re.MULTILINE)
    for wheel, classifier in systems.items():
        assert wheel in built
        assert f'"Operating System :: {classifier}"' in PROJECT
