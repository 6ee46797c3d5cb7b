"""Plans the deployment of a Hugging Face model on a GPUStack server."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from gpustack_draw.errors import DrawError, ModelNotFoundError, NotYetSupportedError, quoted
from gpustack_draw.gpustack_server.cancellation import Cancellation, run_in_thread
from gpustack_draw.gpustack_server.draw_backend import DrawBackend
from gpustack_draw.gpustack_server.management import ManagementApi
from gpustack_draw.gpustack_server.release import FoundServer
from gpustack_draw.hub import Hub
from gpustack_draw.hub.choose_file import choose_file, quantization_of
from gpustack_draw.phrases import phrase
from gpustack_draw.request.model_reference import HubModel
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.units import format_bytes

# Memory that GPUStack reserves for an instance; it cannot estimate that of a GGUF image model.
_MEMORY_VARIABLE = "GPUSTACK_MODEL_VRAM_CLAIM"
# Prints the definition of the backend, for the person who administers the server.
_BACKEND_COMMAND = "gpustack-draw serve --gpustack-backend"


@dataclass(frozen=True)
class SizedModel:
    """A model whose files were found from this machine, without downloading them.

    Attributes:
        model: The model.
        memory_bytes: Estimated peak memory of drawing a picture of its native size.
    """

    model: ResolvedModel
    memory_bytes: int


SizeModel = Callable[[HubModel], SizedModel]


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
        how: The backend and its resources, for the plan; may be empty.
    """

    repository: str
    names: tuple[str, ...]
    file: str
    same_files: frozenset[str]
    body: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    how: str = ""


@dataclass(frozen=True)
class _Repository:
    """A model's repository.

    Attributes:
        reference: The model.
        paths: Files in it; ``None`` if the hub did not answer.
        notes: Notes for the user.
    """

    reference: HubModel
    paths: Sequence[str] | None
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.reference.repository

    @property
    def is_gguf(self) -> bool:
        """True if it has no model in diffusers layout, by its name if its files are unknown."""
        if self.paths is not None:
            return "model_index.json" not in self.paths
        return "gguf" in self.name.lower() or self.reference.has_explicit_tag


def plan_deployment(
    reference: HubModel, server: FoundServer, hub: Hub, size_model: SizeModel
) -> DeploymentPlan:
    """Plan the deployment of a model, after listing its repository on the hub.

    Args:
        reference: The model.
        server: The server.
        hub: The hub to list the repository on.
        size_model: Finds the files of a GGUF model, and the memory it needs.

    Raises:
        NotYetSupportedError: The server has no backend for such a model.
        ServerError: The API key may not list the server's backends.
        DrawError: The repository or the file does not exist, or cannot be drawn with.
    """
    repository = _list_repository(hub, reference)
    if server.release.uses_llama_box:
        return _plan_llama_box(repository)
    if not repository.is_gguf:
        return _plan_vllm(repository)

    def find(cancellation: Cancellation) -> DrawBackend | None:
        return ManagementApi(server, repository.name, cancellation).find_draw_backend()

    backend = run_in_thread(find)
    if backend is None:
        raise NotYetSupportedError(
            f"{server.release.title} at {server.connection.address.url} has no backend for GGUF"
            f" image models such as {reference.text}",
            hint=phrase(
                "an administrator adds it on the server's web page: Inference Backends > Add"
                " Backend > YAML, with the output of '{}'; or leave {on='server'} out to draw on"
                " this machine",
                _BACKEND_COMMAND,
            ),
            argument="model",
        )
    return _plan_draw_backend(repository, backend, size_model)


def _list_repository(hub: Hub, reference: HubModel) -> _Repository:
    notes = []
    if reference.revision:
        notes.append(f"the server uses the main branch, not @{reference.revision}")
    try:
        paths = hub.repository(reference.repository, is_sufficient=None).paths
    except ModelNotFoundError:
        raise
    except DrawError as error:
        # The server downloads the model itself, and may reach a hub that this machine cannot.
        unchecked = (
            f", and the tag {quoted(reference.tag)} was not checked"
            if reference.has_explicit_tag
            else ""
        )
        notes.append(
            phrase("{}; the server will look the file up itself{}", error.message, unchecked)
        )
        return _Repository(reference, None, tuple(notes))
    return _Repository(reference, paths, tuple(notes))


def _plan_file(repository: _Repository) -> DeploymentPlan:
    """Plan the name and the file of a GGUF model's deployment, without its body."""
    reference, notes = repository.reference, repository.notes
    tag = reference.tag
    pattern = f"*{tag}*"
    file, suffix = pattern, tag.rpartition("/")[2].removesuffix(".gguf")
    if repository.paths is not None:
        choice = choose_file(
            repository.paths,
            tag,
            has_explicit_tag=reference.has_explicit_tag,
            repository=repository.name,
        )
        file = choice.path
        if choice.note:
            notes += (choice.note,)
        if not reference.has_explicit_tag:  # the chosen file may differ from the default tag
            suffix = quantization_of(file) or PurePosixPath(file).stem
    owner, _, short_name = repository.name.partition("/")
    name = f"{short_name.removesuffix('-GGUF')}-{suffix}"
    return DeploymentPlan(
        repository.name,
        names=(name, f"{owner}-{name}"),
        file=file,
        same_files=frozenset({file, pattern}),
        body={},
        notes=notes,
    )


def _plan_llama_box(repository: _Repository) -> DeploymentPlan:
    plan = _plan_file(repository)
    parameters = ["--no-warmup"]
    if "turbo" in repository.name and "stable-diffusion" in repository.name:
        # llama-box does not recognize turbo models; GPUStack's own draw command sent the same.
        parameters += ["--seed=42", "--image-cfg-scale=1.0"]
    body = {
        "source": "huggingface",
        "huggingface_repo_id": repository.name,
        "huggingface_filename": plan.file,
        "cpu_offloading": True,
        "distributed_inference_across_workers": True,
        "categories": ["image"],
        "backend": "llama-box",
        "backend_parameters": parameters,
    }
    return replace(plan, body=body)


def _plan_draw_backend(
    repository: _Repository, backend: DrawBackend, size_model: SizeModel
) -> DeploymentPlan:
    plan = _plan_file(repository)
    environment = dict(backend.environment)
    components: list[str] = []
    memory = "an unknown amount of memory"
    if repository.paths is not None:
        # A deployment uses the main branch, whatever the reference names.
        sized = size_model(replace(repository.reference, revision=None))
        components = _component_options(sized.model)
        environment[_MEMORY_VARIABLE] = str(sized.memory_bytes)
        memory = f"{format_bytes(sized.memory_bytes)} of memory"
    pattern = _pattern_of(plan.file)
    body = {
        "source": "huggingface",
        "huggingface_repo_id": repository.name,
        "huggingface_filename": pattern,
        "backend": backend.name,
        "backend_parameters": components,
        "categories": ["image"],
        "replicas": 1,
        "cpu_offloading": True,
        "enable_model_route": True,
        "env": environment,
    }
    if backend.version:
        body["backend_version"] = backend.version
    title = f"{backend.name} {backend.version}".rstrip()
    return replace(
        plan,
        same_files=plan.same_files | {pattern},
        body=body,
        how=f"with the backend {title} and {memory}",
    )


def _pattern_of(file: str) -> str:
    """Return a pattern for a file, or for a pattern with a tag, that does not end in ``.gguf``.

    GPUStack takes a deployment with this ending for a language model: it estimates the memory with
    a program that knows no image models, and ignores the variable that reserves memory.
    """
    if file.startswith("*"):
        return f"{file.removesuffix('*').removesuffix('.gguf')}*.ggu[f]"
    pattern = re.sub(r"([*?[])", r"[\1]", file)
    return f"{pattern[:-1]}[{pattern[-1]}]"


def _component_options(model: ResolvedModel) -> list[str]:
    main = model.files[0]
    return [
        f"--{file.component.replace('_', '-')}="
        + shlex.quote(f"hf.co/{file.hub_file.repository}:{file.hub_file.path}")
        for file in model.files
        if file.hub_file is not None and file.path != main.path
    ]


def _plan_vllm(repository: _Repository) -> DeploymentPlan:
    body = {
        "source": "huggingface",
        "huggingface_repo_id": repository.name,
        "replicas": 1,
        "categories": ["image"],
        "backend": "vLLM",
        "backend_parameters": ["--omni"],
        "enable_model_route": True,
    }
    return DeploymentPlan(
        repository.name,
        names=(repository.name.partition("/")[2], repository.name.replace("/", "-")),
        file="",
        same_files=frozenset({""}),
        body=body,
        notes=repository.notes,
    )
