"""Plans the deployment of a Hugging Face model on a GPUStack server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gpustack_draw.errors import DrawError, ModelNotFoundError, NotYetSupportedError
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.hub import Hub
from gpustack_draw.hub.choose_file import choose_file, quantization_of
from gpustack_draw.phrases import phrase
from gpustack_draw.request.model_reference import HubModel


@dataclass(frozen=True)
class DeploymentPlan:
    """A model to deploy.

    Attributes:
        repository: ``OWNER/REPO`` on Hugging Face.
        names: Names for the deployment; the first free one is used.
        file: File in the repository; a pattern if the hub did not answer; empty for all files.
        same_files: Values of ``huggingface_filename`` that deploy the same file.
        body: Request body of the deployment, without name and cluster.
        notes: Notes for the user.
    """

    repository: str
    names: tuple[str, ...]
    file: str
    same_files: frozenset[str]
    body: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def plan_deployment(
    reference: HubModel, release: Release, address: ServerAddress, hub: Hub
) -> DeploymentPlan:
    """Plan the deployment of a model, after listing its repository on the hub.

    Args:
        reference: The model.
        release: The server's release.
        address: The server.
        hub: The hub to list the repository on.

    Raises:
        NotYetSupportedError: The server has no backend for such a model.
        DrawError: The repository or the file does not exist.
    """
    notes = []
    if reference.revision:
        notes.append(f"the server uses the main branch, not @{reference.revision}")
    paths = _list_repository(hub, reference, notes)
    if release.uses_llama_box:
        return _plan_llama_box(reference, paths, notes)
    is_gguf = "gguf" in reference.repository.lower() or reference.has_explicit_tag
    if paths is not None:
        is_gguf = "model_index.json" not in paths
    if is_gguf:
        raise NotYetSupportedError(
            f"{release.title} at {address.url} has no backend for GGUF image models such as"
            f" {reference.text}",
            hint=phrase(
                "type a repository in diffusers layout, such as hf.co/Qwen/Qwen-Image, which the"
                " server runs with vLLM; or leave {on='server'} out to draw on this machine"
            ),
            argument="model",
        )
    return _plan_vllm(reference.repository, notes)


def _list_repository(hub: Hub, reference: HubModel, notes: list[str]) -> Sequence[str] | None:
    try:
        found = hub.repository(reference.repository, is_sufficient=None)
    except ModelNotFoundError:
        raise
    except DrawError as error:
        # The server downloads the model itself, and may reach a hub that this machine cannot.
        notes.append(phrase("{}; the server will look the file up itself", error.message))
        return None
    return found.paths


def _plan_llama_box(
    reference: HubModel, paths: Sequence[str] | None, notes: list[str]
) -> DeploymentPlan:
    repository, tag = reference.repository, reference.tag
    pattern = f"*{tag}*"
    file, suffix = pattern, tag.rpartition("/")[2].removesuffix(".gguf")
    if paths is not None:
        choice = choose_file(
            paths, tag, has_explicit_tag=reference.has_explicit_tag, repository=repository
        )
        file = choice.path
        if choice.note:
            notes.append(choice.note)
        if not reference.has_explicit_tag:  # the chosen file may differ from the default tag
            suffix = quantization_of(file) or PurePosixPath(file).stem
    parameters = ["--no-warmup"]
    if "turbo" in repository and "stable-diffusion" in repository:
        # llama-box does not recognize turbo models; GPUStack's own draw command sent the same.
        parameters += ["--seed=42", "--image-cfg-scale=1.0"]
    body = {
        "source": "huggingface",
        "huggingface_repo_id": repository,
        "huggingface_filename": file,
        "cpu_offloading": True,
        "distributed_inference_across_workers": True,
        "categories": ["image"],
        "backend": "llama-box",
        "backend_parameters": parameters,
    }
    owner, _, short_name = repository.partition("/")
    name = f"{short_name.removesuffix('-GGUF')}-{suffix}"
    return DeploymentPlan(
        repository,
        names=(name, f"{owner}-{name}"),
        file=file,
        same_files=frozenset({file, pattern}),
        body=body,
        notes=tuple(notes),
    )


def _plan_vllm(repository: str, notes: list[str]) -> DeploymentPlan:
    body = {
        "source": "huggingface",
        "huggingface_repo_id": repository,
        "replicas": 1,
        "categories": ["image"],
        "backend": "vLLM",
        "backend_parameters": ["--omni"],
        "enable_model_route": True,
    }
    return DeploymentPlan(
        repository,
        names=(repository.partition("/")[2], repository.replace("/", "-")),
        file="",
        same_files=frozenset({""}),
        body=body,
        notes=tuple(notes),
    )
