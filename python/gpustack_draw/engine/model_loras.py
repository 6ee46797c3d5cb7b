"""The LoRAs of the drawings with a model: found, checked against the model, and downloaded."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from gpustack_draw.engine.results import EngineLora, EngineNames, EngineTensor
from gpustack_draw.errors import EngineError, quoted
from gpustack_draw.headers.header import ModelHeader, TensorInfo, read_model_header
from gpustack_draw.headers.weights_hash import weights_hash
from gpustack_draw.phrases import phrase
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.request.additions import LORA
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.file_names import stem_of
from gpustack_draw.request.loras import LoraOptions, LoraSettings
from gpustack_draw.resolver.find_addition import AdditionFile, find_addition
from gpustack_draw.resolver.find_loras import FoundLora
from gpustack_draw.resolver.loras.check_scales import check_scales
from gpustack_draw.resolver.loras.match_lora import check_match, match_lora
from gpustack_draw.resolver.loras.read_lora import read_lora
from gpustack_draw.resolver.plan_loras import CheckedLora, LoraPlan, plan_loras
from gpustack_draw.resolver.resolved_model import ModelFile, ResolvedModel

if TYPE_CHECKING:
    from gpustack_draw.hub import Hub, RepositoryFile

Loras = tuple[LoraSettings, ...]
NameTensors = Callable[[Sequence[EngineTensor], Sequence[str]], EngineNames]

# Components that no LoRA changes.
_WITHOUT_LORAS = frozenset(("vae", "taesd", "llm_vision"))
_HASH_DIGITS = 12


class ModelLoras:
    """The LoRAs of the drawings with a model."""

    def __init__(
        self, model: ResolvedModel, defaults: LoraOptions, name_tensors: NameTensors
    ) -> None:
        """Create it; nothing is read yet.

        Args:
            model: The model.
            defaults: The LoRAs of requests that name none.
            name_tensors: Returns the engine's names of tensors of the model and of a LoRA.
        """
        self._model = model
        self._defaults = defaults
        self._name_tensors = name_tensors
        self._on_hub: dict[str, AdditionFile] = {}
        self._checked: dict[object, CheckedLora] = {}
        self._hashes: dict[object, str] = {}
        # By the reference that settings record.
        self._planned: dict[str, CheckedLora] = {}
        self._recorded_hashes: dict[str, str] = {}

    def plan(self, request: DrawRequest) -> LoraPlan:
        """Find and check the LoRAs of a request; see :func:`plan_loras`."""
        defaults = self._defaults
        request = replace(
            request,
            loras=defaults.loras if request.loras is None else request.loras,
            lora_dir=defaults.lora_dir if request.lora_dir is None else request.lora_dir,
        )
        plan = plan_loras(request, self._find_file, self._check)
        self._planned |= {each.settings.reference: each for each in plan.loras}
        return plan

    def files(self, loras: Loras) -> tuple[ModelFile, ...]:
        """Return the files of planned LoRAs."""
        files = [self._planned[each.reference].found.file for each in loras]
        return tuple(
            ModelFile("lora", file.path, file.header.file_bytes, file.hub_file) for file in files
        )

    def bytes(self, loras: Loras) -> int:
        """Return the bytes of planned LoRAs in memory."""
        return sum(file.bytes for file in self.files(loras))

    def fetch(self, loras: Loras, on_progress: ProgressFunction | None = None) -> tuple[str, ...]:
        """Download the missing files of planned LoRAs, and check the numbers in all of them.

        Returns:
            Notes for the user.

        Raises:
            FetchError: A file cannot be downloaded, stored or verified.
            ModelFileError: A scale in a file is NaN or infinity.
        """
        hub_files = self._hub_files(loras)
        notes = self.hub.fetch(hub_files, on_progress) if hub_files else ()
        for each in loras:
            one = self._planned[each.reference]
            state = _state(one.found.file)
            if state not in self._hashes:
                check_scales(one.found.file.path, one.lora)
                self._hashes[state] = weights_hash(one.found.file.path)[:_HASH_DIGITS]
            self._recorded_hashes[each.reference] = self._hashes[state]
        return notes

    def for_engine(self, loras: Loras) -> list[EngineLora]:
        """Return planned LoRAs as the engine takes them."""
        return [
            EngineLora(str(file.path.absolute()), each.weight)
            for file, each in zip(self.files(loras), loras, strict=True)
        ]

    def hashed(self, loras: Loras) -> Loras:
        """Return the settings of fetched LoRAs with their hashes."""
        return tuple(replace(each, hash=self._recorded_hashes[each.reference]) for each in loras)

    def _hub_files(self, loras: Loras) -> "list[RepositoryFile]":
        return [file.hub_file for file in self.files(loras) if file.hub_file is not None]

    @cached_property
    def hub(self) -> "Hub":
        """The hub of the model and of its LoRAs."""
        if self._model.hub is not None:
            return self._model.hub
        from gpustack_draw.hub import Hub

        return Hub()

    def _find_file(self, reference: str) -> AdditionFile:
        """Return the file of a reference; a file on the hub stays the same while this exists."""
        if reference not in self._on_hub:
            found = find_addition(reference, LORA, lambda: self.hub, argument="loras")
            if found.hub_file is None:
                return found
            self._on_hub[reference] = found
        return self._on_hub[reference]

    def _check(self, found: FoundLora) -> CheckedLora:
        key = (_state(found.file), tuple(file.path.is_file() for file in self._model.files))
        if key not in self._checked:
            self._checked[key] = self._match(found)
        return replace(self._checked[key], found=found)

    def _match(self, found: FoundLora) -> CheckedLora:
        file = found.file
        names = [found.name, stem_of(file.label)]
        if file.hub_file is not None:
            names.append(file.hub_file.repository.rpartition("/")[2])
        lora = read_lora(file.header, file.label, *names)
        tensors = list(self._model_tensors())
        engine_names = self._name_tensors(
            [EngineTensor(tensor.name, tensor.shape, component) for component, tensor in tensors],
            list(lora.tensors),
        )
        model = dict(zip(engine_names.model, (tensor for _, tensor in tensors), strict=True))
        match = match_lora(
            lora,
            {name: tensor.shape for name, tensor in model.items()},
            dict(zip(lora.tensors, engine_names.lora, strict=True)),
            {name for name, tensor in model.items() if tensor.is_quantized},
        )
        return CheckedLora(found, lora, match, check_match(lora, match, self._model.family))

    def _model_tensors(self) -> Iterator[tuple[str, TensorInfo]]:
        """Yield the tensors of the model that a LoRA can change, with their component."""
        for file in self._model.files:
            if file.component not in _WITHOUT_LORAS:
                for tensor in self._header_of(file).tensors.values():
                    yield file.component, tensor

    def _header_of(self, file: ModelFile) -> ModelHeader:
        """Return a header; of a text model that is not downloaded, the hub sends only a part."""
        if file.hub_file is not None and file.path.is_file():
            return read_model_header(file.path)
        if file.header is not None:
            return file.header
        if file.hub_file is not None:
            return self.hub.read_header(file.hub_file)
        return read_model_header(file.path)


def check_applied(loras: Loras, counted: tuple[int, int] | None) -> tuple[str, ...]:
    """Compare the number of tensors that the engine applied with the planned number.

    Args:
        loras: The LoRAs of a drawing.
        counted: Number of tensors that the engine applied, and of all in the files; ``None`` if it
            loaded no LoRA.

    Returns:
        A note if it applied fewer; empty otherwise.

    Raises:
        EngineError: It applied none.
    """
    planned = sum(each.applied for each in loras)
    applied = 0 if counted is None else counted[0]
    if applied >= planned:
        return ()
    names = ", ".join(quoted(each.name) for each in loras)
    if not applied:
        raise EngineError(
            f"the engine applied none of the {planned:,} tensors that fit of {names}",
            hint=phrase("{on_log=print} prints the engine's log"),
        )
    return (f"the engine applied only {applied:,} of the {planned:,} tensors that fit of {names}",)


def _state(file: AdditionFile) -> object:
    """Return a key that changes when the file does."""
    if file.hub_file is not None:
        return file.hub_file
    status = file.path.stat()
    path = os.path.realpath(file.path)
    return path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
