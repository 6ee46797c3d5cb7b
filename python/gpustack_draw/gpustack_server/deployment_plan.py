"""What deploying a model of Hugging Face on a GPUStack server takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gpustack_draw.errors import DrawError, ModelNotFoundError, NotYetSupportedError
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.hub import Hub
from gpustack_draw.hub.choose_file import choose_file, quantisation_of
from gpustack_draw.request.model_reference import HubModel


@dataclass(frozen=True)
class DeploymentPlan:
    """What is to be deployed.

    Attributes:
        repository: ``OWNER/REPO``.
        names: What to call it on the server: the first that is free.
        file: The file in the repository; a pattern where the hub could not be asked; empty for all.
        same: Values of ``huggingface_filename`` that mean the same.
        body: The request that deploys it, less its name and cluster.
        notes: For the user.
    """

    repository: str
    names: tuple[str, ...]
    file: str
    same: frozenset[str]
    body: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def plan_deployment(
    reference: HubModel, release: Release, address: ServerAddress
) -> DeploymentPlan:
    """Tell what deploying a model takes; asks the hub what the repository has.

    Args:
        reference: The model.
        release: The server's.
        address: The server.

    Raises:
        NotYetSupportedError: The server has nothing that draws with such a model.
        DrawError: The repository has no such file.
    """
    repository = reference.repository
    notes = []
    if reference.revision:
        notes.append(f"the server takes the main branch, not @{reference.revision}")
    paths = _paths_on_hub(reference, notes)
    if release.uses_llama_box:
        return _llama_box_model(reference, paths, notes)
    is_gguf = "gguf" in repository.lower() or reference.tag_given
    if paths is not None:
        is_gguf = "model_index.json" not in paths
    if is_gguf:
        raise NotYetSupportedError(
            f"{release.title} at {address.url} has no backend that draws with GGUF models such as"
            f" {reference.text}",
            hint="name a repository in diffusers layout (--on server hf.co/Qwen/Qwen-Image), which"
            " it draws with by vLLM; or leave --on server out to draw on this machine",
        )
    name = repository.partition("/")[2]
    body = {
        "source": "huggingface",
        "huggingface_repo_id": repository,
        "replicas": 1,
        "categories": ["image"],
        "backend": "vLLM",
        "backend_parameters": ["--omni"],
        "enable_model_route": True,
    }
    names = (name, repository.replace("/", "-"))
    return DeploymentPlan(repository, names, "", frozenset({""}), body, tuple(notes))


def _paths_on_hub(reference: HubModel, notes: list[str]) -> Sequence[str] | None:
    try:
        found = Hub().repository(reference.repository, wanted=None)
    except ModelNotFoundError:
        raise
    except DrawError as error:
        # The server fetches the model, and may reach what this machine does not.
        notes.append(f"{error.message}; the server will find out what the repository has")
        return None
    return found.paths


def _llama_box_model(
    reference: HubModel, paths: Sequence[str] | None, notes: list[str]
) -> DeploymentPlan:
    repository, tag = reference.repository, reference.tag
    pattern = f"*{tag}*"
    file, named = pattern, tag.rpartition("/")[2].removesuffix(".gguf")
    if paths is not None:
        choice = choose_file(paths, tag, tag_given=reference.tag_given, repository=repository)
        file = choice.path
        if choice.note:
            notes.append(choice.note)
        if not reference.tag_given:  # what was taken may be another one than the default
            named = quantisation_of(file) or PurePosixPath(file).stem
    parameters = ["--no-warmup"]
    if "turbo" in repository and "stable-diffusion" in repository:
        # As the original command did: llama-box does not know turbo models by itself.
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
    name = f"{repository.partition('/')[2].removesuffix('-GGUF')}-{named}"
    names = (name, f"{repository.partition('/')[0]}-{name}")
    return DeploymentPlan(repository, names, file, frozenset({file, pattern}), body, tuple(notes))
