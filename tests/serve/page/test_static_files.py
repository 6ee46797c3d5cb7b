"""The files of the page: complete in both languages, and without anything from elsewhere."""

import re

import pytest
from build_tools import SOURCE

from gpustack_draw.serve.page.static_files import INDEX, read_static_files

FILES = {name: file.content.decode() for name, file in read_static_files().items()}
SCRIPTS = "".join(text for name, text in FILES.items() if name.endswith(".js"))
TEXTS = dict(re.findall(r"^  (\w+): \[(.*?)\],$", FILES["texts.js"], re.MULTILINE | re.DOTALL))


def test_all_files_are_in_the_package() -> None:
    folder = SOURCE / "python" / "gpustack_draw" / "serve" / "page" / "static"
    assert {entry.name for entry in folder.iterdir()} == set(FILES)


def test_every_text_of_the_page_exists_and_is_used() -> None:
    in_page = re.findall(r'data-(?:text|label|placeholder)="(\w+)"', FILES[INDEX])
    in_scripts = re.findall(r'\btext\((?:mask\.length \? )?"(\w+)"', SCRIPTS)
    others = {name for name in TEXTS if f'"{name}"' in SCRIPTS}
    assert set(in_page) | set(in_scripts) <= set(TEXTS)
    assert set(TEXTS) == set(in_page) | set(in_scripts) | others
    assert list(TEXTS) == sorted(TEXTS)


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_have_the_same_values(name: str) -> None:
    english, chinese = re.findall(r'"((?:[^"\\]|\\.)*)"', TEXTS[name])
    assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", chinese))
    assert re.search(r"[\u3000-\uffef]", chinese) or name in {"promptExample", "loras"}


@pytest.mark.parametrize("name", FILES)
def test_nothing_comes_from_another_host(name: str) -> None:
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", FILES[name]))
    assert addresses <= {"http://www.w3.org"}


def test_the_page_obeys_a_strict_content_security_policy() -> None:
    page = FILES[INDEX]
    assert re.findall(r"<script[^>]*>", page) == ['<script type="module" src="page/page.js">']
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(|Function\(", SCRIPTS)


def test_every_element_that_a_script_uses_exists() -> None:
    ids = set(re.findall(r'\sid="([\w-]+)"', FILES[INDEX]))
    used = set(re.findall(r'element\("([\w-]+)"\)', SCRIPTS))
    assert used <= ids
    assert set(re.findall(r'\sfor="([\w-]+)"', FILES[INDEX])) <= ids


@pytest.mark.parametrize("name", FILES)
def test_no_file_has_more_than_400_lines(name: str) -> None:
    assert len(FILES[name].splitlines()) <= 400


def test_every_class_and_id_of_the_style_sheets_is_used() -> None:
    users = FILES[INDEX] + SCRIPTS
    words = set(re.findall(r"[\w-]+", users))
    sheets = "".join(text for name, text in FILES.items() if name.endswith(".css"))
    selectors = re.sub(r"/\*.*?\*/|\{[^{}]*\}", " ", sheets, flags=re.DOTALL)
    named = set(re.findall(r"[.#]([A-Za-z][\w-]*)", selectors))
    types = set(re.findall(r'\[type="(\w+)"\]', selectors))
    assert named
    assert types
    assert sorted(named - words) == []
    assert sorted(each for each in types if f'type="{each}"' not in users) == []
