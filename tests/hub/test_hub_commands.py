"""``pull`` fetches a model without drawing; ``rm`` removes one, but no file that others use."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lora_files
import model_files as files
import pytest
from hub_steps import set_offline
from loopback_hub import LoopbackHub

from gpustack_draw.cli.main import main
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.hub import Hub
from gpustack_draw.hub.partial_file import PartialFile

FLUX = {
    "flux-Q4_0.gguf": files.gguf_bytes(files.FLUX1),
    "ae.safetensors": files.safetensors_bytes(files.VAE_16),
    "clip_l.safetensors": files.safetensors_bytes(files.CLIP_L),
    "t5xxl-Q8_0.gguf": files.gguf_bytes(files.T5),
}
SD = files.gguf_bytes(files.SD1_ALL)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    hub.add("acme/flux", FLUX)
    hub.add("acme/sd", {"sd-Q4_0.gguf": SD, "sd-Q8_0.gguf": SD + b"8"}, branches=("main", "v2"))
    yield hub
    hub.close()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(server: LoopbackHub, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*argv: str) -> tuple[int, str, str]:
        status = main(argv)
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_pull_fetches_all_components_and_prints_the_model_file(run: Run, tmp_path: Path) -> None:
    status, out, err = run("pull", "hf.co/acme/flux")
    path = Path(out.removesuffix("\n"))
    assert status == 0
    assert path.name == "flux-Q4_0.gguf"
    assert path.read_bytes() == FLUX["flux-Q4_0.gguf"]
    assert {file.name for file in path.parent.iterdir()} == set(FLUX)
    assert err.count("100 %") == 1
    status, out, err = run("pull", "hf.co/acme/flux", "--quiet")
    assert (status, Path(out[:-1]), err) == (0, path, "")


def test_pull_prints_all_files_as_json(run: Run, server: LoopbackHub, tmp_path: Path) -> None:
    (tmp_path / "my-vae.safetensors").write_bytes(FLUX["ae.safetensors"])
    status, out, _ = run("pull", "--json", "hf.co/acme/flux", "--vae", "my-vae.safetensors")
    record = json.loads(out)
    assert status == 0
    assert record["model"] == "hf.co/acme/flux"
    assert record["path"] == record["files"][0]["path"]
    assert {file["component"]: Path(file["path"]).name for file in record["files"]} == {
        "model": "flux-Q4_0.gguf",
        "vae": "my-vae.safetensors",
        "clip_l": "clip_l.safetensors",
        "t5xxl": "t5xxl-Q8_0.gguf",
    }
    assert all(Path(file["path"]).stat().st_size == file["bytes"] for file in record["files"])
    assert not [path for path in server.paths() if path.endswith("ae.safetensors")]


def test_pull_of_a_cached_model(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_offline(monkeypatch)
    (tmp_path / "sd.gguf").write_bytes(SD)
    note = "gpustack-draw: nothing to download for {}\n"
    assert run("pull", "demo") == (0, f"{DEMO_FILE}\n", note.format("demo"))
    assert run("pull", "sd.gguf") == (0, "sd.gguf\n", note.format("sd.gguf"))


def test_rm_removes_a_model_and_leaves_no_trace(run: Run, tmp_path: Path) -> None:
    run("pull", "hf.co/acme/sd")
    assert run("rm", "--yes", "hf.co/acme/sd") == (
        0,
        "",
        (f"gpustack-draw: removed hf.co/acme/sd:Q4_0 and freed {len(SD) / 1e3:.1f} kB\n"),
    )
    assert files_below(tmp_path / "hub") == {".locks"}


@pytest.mark.parametrize("repository", ["hf.co/acme/sd", "hf.co/acme/sd@v2"])
def test_a_model_has_one_name_in_lists_and_messages(
    run: Run, monkeypatch: pytest.MonkeyPatch, repository: str
) -> None:
    run("pull", f"{repository}:sd-Q4_0.gguf")
    assert json.loads(run("models", "--json")[1].splitlines()[1])["model"] == f"{repository}:Q4_0"
    with monkeypatch.context() as patch:
        set_offline(patch)
        assert run("pull", f"{repository}:sd-Q8_0.gguf")[2].splitlines() == [
            f"gpustack-draw: {repository}:Q8_0 is not cached, and HF_HUB_OFFLINE is set",
            (
                "gpustack-draw: unset HF_HUB_OFFLINE to download it; available offline: demo,"
                f" {repository}:Q4_0"
            ),
        ]
    removed = run("rm", "--yes", f"{repository}:sd-Q4_0.gguf")[2]
    assert removed.startswith(f"gpustack-draw: removed {repository}:Q4_0 and freed ")
    again = run("rm", "--yes", repository)[2]
    assert again.splitlines()[0] == f"gpustack-draw: {repository} is not cached"


def test_rm_keeps_the_other_files_of_a_repository(
    run: Run, tmp_path: Path, server: LoopbackHub
) -> None:
    run("pull", "hf.co/acme/sd")
    _, second, _ = run("pull", "hf.co/acme/sd:Q8_0")
    before = files_below(tmp_path / "hub")
    status, out, _ = run("rm", "-y", "--json", "hf.co/acme/sd")
    assert status == 0
    record = json.loads(out)
    assert record["model"] == "hf.co/acme/sd"
    assert record["bytes"] == len(SD)
    removed = {
        Path(file["path"]).relative_to(tmp_path / "hub").as_posix() for file in record["files"]
    }
    digest = server.repositories["acme/sd"].files["sd-Q4_0.gguf"].sha256
    assert {Path(path).name for path in removed} == {"sd-Q4_0.gguf", digest}
    gone = before - files_below(tmp_path / "hub")
    assert {path for path in gone if "/.gpustack-draw/" not in path} - removed == {
        f".locks/models--acme--sd/{digest}.lock"
    }
    assert [path for path in gone if "/.gpustack-draw/" in path] == [
        f"models--acme--sd/.gpustack-draw/verified-{digest}"
    ]
    assert Path(second[:-1]).read_bytes() == SD + b"8"
    status, _, err = run("rm", "-y", "hf.co/acme/sd")
    assert (status, err) == (
        3,
        (
            "gpustack-draw: hf.co/acme/sd:Q4_0 is not cached\n"
            "gpustack-draw: cached from this repository: hf.co/acme/sd:Q8_0\n"
        ),
    )


def test_rm_keeps_components_with_a_note(run: Run) -> None:
    run("pull", "hf.co/acme/flux")
    status, out, err = run("rm", "--yes", "hf.co/acme/flux:Q4_0")
    assert (status, out) == (0, "")
    assert err.splitlines()[1:] == [
        f"gpustack-draw: hf.co/acme/flux:{name} ({size}) stays, as other models may use it"
        for name, size in (
            ("ae.safetensors", "2.41 kB"),
            ("clip_l.safetensors", "6.26 kB"),
            ("t5xxl-Q8_0.gguf", "8.32 kB"),
        )
    ]
    # Each component can be removed by its name.
    for name in list(FLUX)[1:]:
        assert run("rm", "--yes", "-q", f"hf.co/acme/flux:{name}") == (0, "", "")
    assert run("rm", "--yes", "hf.co/acme/flux")[0] == 3


def test_bytes_that_another_revision_uses_stay(
    run: Run, tmp_path: Path, server: LoopbackHub
) -> None:
    run("pull", "hf.co/acme/sd")
    old = server.repositories["acme/sd"].commit
    blob = tmp_path / "hub/models--acme--sd/blobs"
    server.add("acme/sd", {"sd-Q4_0.gguf": SD, "README.md": b"new"})
    run("pull", "hf.co/acme/sd")
    new = server.repositories["acme/sd"].commit
    assert new != old
    assert run("rm", "--yes", "hf.co/acme/sd") == (
        0,
        "",
        (
            "gpustack-draw: removed hf.co/acme/sd:Q4_0 and freed no space\n"
            f"gpustack-draw: no space is freed while commit {old[:12]} of the repository uses the"
            f" same content; to free it, also remove hf.co/acme/sd@{old}:sd-Q4_0.gguf\n"
        ),
    )
    assert [path.stat().st_size for path in blob.iterdir()] == [len(SD)]
    assert run("rm", "-yq", f"hf.co/acme/sd@{old}:sd-Q4_0.gguf") == (0, "", "")
    assert files_below(tmp_path / "hub") == {".locks"}


def test_rm_of_an_interrupted_fetch(run: Run, tmp_path: Path, hub: Hub) -> None:
    file = hub.repository("acme/sd", is_sufficient=None).file("sd-Q4_0.gguf")
    hub.cache.partial(file).parent.mkdir(parents=True)
    hub.cache.partial(file).write_bytes(SD[:9000])
    status, _, err = run("rm", "--yes", "hf.co/acme/sd")
    assert (status, err.splitlines()[0]) == (
        0,
        ("gpustack-draw: removed hf.co/acme/sd:Q4_0 and freed 9.00 kB"),
    )


def test_rm_of_an_interrupted_fetch_over_several_connections(
    run: Run, tmp_path: Path, hub: Hub
) -> None:
    """The list of the ranges on the disk is removed, too."""
    file = hub.repository("acme/sd", is_sufficient=None).file("sd-Q4_0.gguf")
    with PartialFile(hub.cache.partial(file), file) as partial:
        partial.allow_gaps()
        partial.add(3000, SD[3000:9000])
    assert run("rm", "--yes", "hf.co/acme/sd")[0] == 0
    assert files_below(tmp_path / "hub") == {".locks"}


def test_rm_never_leaves_the_cache(run: Run, tmp_path: Path) -> None:
    run("pull", "hf.co/acme/sd")
    outside = tmp_path / "elsewhere"
    repository = tmp_path / "hub" / "models--acme--sd"
    repository.rename(outside)
    repository.symlink_to(outside)
    before = files_below(outside)
    status, _, err = run("rm", "--yes", "hf.co/acme/sd")
    assert status == 3
    assert "contains a link to a folder outside it" in err
    assert files_below(outside) == before


def test_rm_removes_a_link_but_not_its_target_outside_the_cache(
    run: Run, tmp_path: Path, server: LoopbackHub
) -> None:
    _, out, _ = run("pull", "hf.co/acme/sd")
    pointer, outside = Path(out[:-1]), tmp_path / "mine.gguf"
    pointer.resolve().rename(outside)
    pointer.unlink()
    pointer.symlink_to(outside)
    status, _, err = run("rm", "--yes", "hf.co/acme/sd")
    assert (status, err) == (
        0,
        "gpustack-draw: removed hf.co/acme/sd:Q4_0 and freed no space\n",
    )
    assert outside.read_bytes() == SD
    assert not pointer.is_symlink()


def test_rm_sends_no_request(run: Run, server: LoopbackHub) -> None:
    run("pull", "hf.co/acme/flux")
    server.requests.clear()
    run("rm", "--yes", "hf.co/acme/flux")
    assert server.paths() == []


def test_rm_while_another_process_fetches(run: Run, hub: Hub) -> None:
    run("pull", "hf.co/acme/sd")
    file = hub.repository("acme/sd", is_sufficient=None).file("sd-Q4_0.gguf")
    with hub.client.lock(hub.cache.lock(file), 1):
        assert run("rm", "--yes", "hf.co/acme/sd") == (
            3,
            "",
            (
                "gpustack-draw: another process is downloading hf.co/acme/sd:Q4_0\n"
                "gpustack-draw: try again when it has finished\n"
            ),
        )
    assert hub.path_of(file) is not None


def test_rm_without_a_terminal_needs_yes(run: Run, hub: Hub) -> None:
    _, out, _ = run("pull", "hf.co/acme/sd")
    assert run("rm", "hf.co/acme/sd") == (
        2,
        "",
        (
            "gpustack-draw: removing hf.co/acme/sd:Q4_0, which frees"
            f" {len(SD) / 1e3:.1f} kB, needs confirmation, but there is no terminal\n"
            "gpustack-draw: add --yes to remove it without confirmation\n"
        ),
    )
    assert Path(out[:-1]).is_file()


@pytest.mark.parametrize(
    ("answer", "removed"), [("y", True), ("YES", True), ("", False), ("n", False)]
)
def test_rm_asks_on_a_terminal(
    run: Run, server: LoopbackHub, tmp_path: Path, answer: str, removed: bool
) -> None:
    _, out, _ = run("pull", "hf.co/acme/sd")
    terminal, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gpustack_draw", "rm", "hf.co/acme/sd"],
        env={**os.environ, **server.environment(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")},
        stdin=child,
        stdout=subprocess.DEVNULL,
        stderr=child,
    )
    os.close(child)
    printed = b""
    while b"[y/N] " not in printed:
        printed += os.read(terminal, 4096)
    os.write(terminal, answer.encode() + b"\n")
    assert process.wait(60) == 0
    printed += os.read(terminal, 4096)
    os.close(terminal)
    question = f"remove hf.co/acme/sd:Q4_0 and free {len(SD) / 1e3:.1f} kB? [y/N] "
    assert question in printed.decode()
    assert f"  {out[:-1]}\r\n" in printed.decode()
    assert ("nothing was removed" in printed.decode()) is not removed
    assert Path(out[:-1]).exists() is not removed


@pytest.mark.parametrize(
    ("argv", "status", "lines"),
    [
        (
            ["rm", "demo"],
            2,
            [
                "'demo' is built into gpustack-draw and cannot be removed",
                "uninstall gpustack-draw to remove it",
            ],
        ),
        (
            ["rm", "./cat.gguf"],
            2,
            [
                "'./cat.gguf' is a path, and only cached models can be removed",
                "delete the file yourself, or write hf.co/OWNER/REPO[:TAG]",
            ],
        ),
        (
            ["rm", "flux"],
            3,
            [
                "'flux' is not a Hugging Face model",
                (
                    "write hf.co/OWNER/REPO:TAG as listed by 'gpustack-draw models'; remove a model"
                    " of a GPUStack server there"
                ),
            ],
        ),
        (
            ["rm", "hf.co/acme/none@v1"],
            3,
            [
                "hf.co/acme/none@v1 is not cached",
                "list the cached models with 'gpustack-draw models'",
            ],
        ),
        (["rm"], 2, ["missing MODEL", "for example: gpustack-draw rm hf.co/OWNER/REPO:Q4_0"]),
        (
            ["pull", "flux"],
            3,
            [
                "'flux' is neither an hf.co reference, a file, a short name nor 'demo'",
                "did you mean flux1-schnell, flux1-dev or flux1-fill?",
            ],
        ),
        (
            ["pull", "acme-7"],
            3,
            [
                "'acme-7' is neither an hf.co reference, a file, a short name nor 'demo'",
                "type hf.co/OWNER/REPO[:TAG]; a GPUStack server downloads its models itself",
            ],
        ),
        (
            ["pull"],
            2,
            ["missing MODEL", "for example: gpustack-draw pull hf.co/OWNER/REPO:Q4_0"],
        ),
        (
            ["pull", "hf.co/acme/none"],
            3,
            [
                "no repository hf.co/acme/none at {url}, or it is private",
                (
                    "check the spelling and HF_ENDPOINT; if it is private, log in with"
                    " 'hf auth login', or set HF_TOKEN"
                ),
            ],
        ),
        (
            ["pull", "hf.co/acme/sd", "cat"],
            2,
            ["unexpected argument 'cat'", "see gpustack-draw pull --help"],
        ),
    ],
)
def test_errors(
    run: Run, server: LoopbackHub, argv: list[str], status: int, lines: list[str]
) -> None:
    expected = "".join(f"gpustack-draw: {line.format(url=server.url)}\n" for line in lines)
    assert run(*argv) == (status, "", expected)


def test_models_prints_the_folder_of_the_cache(run: Run, tmp_path: Path) -> None:
    _, out, err = run("models")
    assert out.splitlines()[1].startswith("demo ")
    assert err == f"gpustack-draw: models of Hugging Face are in {tmp_path / 'hub'}\n"
    assert run("models", "--json")[2] == ""


@pytest.mark.engine
def test_pull_fetches_loras(run: Run, server: LoopbackHub) -> None:
    header = read_model_header(DEMO_FILE)
    weight = header.tensors["model.diffusion_model.double_blocks.0.img_attn.proj.weight"]
    tensors = lora_files.factors("diffusion_model.double_blocks.0.img_attn.proj", *weight.shape)
    server.add("acme/ink", {"ink.safetensors": files.safetensors_bytes(tensors)})
    status, out, err = run("pull", "demo", "--lora", "hf.co/acme/ink:0.5", "--json")
    assert (status, "nothing to download" in err) == (0, False)
    lora = json.loads(out)["files"][-1]
    assert lora["component"] == "lora"
    assert Path(lora["path"]).read_bytes() == files.safetensors_bytes(tensors)
