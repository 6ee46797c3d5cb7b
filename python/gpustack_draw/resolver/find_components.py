"""Find the components that a model's file lacks: beside it, in the cache, or on the hub."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from gpustack_draw.errors import DrawError, FetchError, ModelFileError, ModelNotFoundError, quoted
from gpustack_draw.headers.header import ModelHeader, read_model_header
from gpustack_draw.hub import Hub, HubUnavailableError, Repository, RepositoryFile
from gpustack_draw.hub.choose_file import choose_file
from gpustack_draw.phrases import Argument, joined, phrase
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.resolver.candidate_files import files_named_like, likely_files
from gpustack_draw.resolver.compatibility import check_components
from gpustack_draw.resolver.component_sources import Source
from gpustack_draw.resolver.detect_family import detect_family, identify_file
from gpustack_draw.resolver.families import Family
from gpustack_draw.resolver.local_components import LocalFile
from gpustack_draw.resolver.requirements import (
    check_component,
    missing_components,
    treat_taesd_as_vae,
)
from gpustack_draw.resolver.resolved_model import ModelFile, title_of
from gpustack_draw.resolver.user_components import ComponentFile, OpenHub, hub_component
from gpustack_draw.resolver.vision_encoder import files_beside_language_model, has_vision_encoder
from gpustack_draw.units import format_bytes

CandidateFile = LocalFile | RepositoryFile

# Headers to read of the files beside a model, on the hub and locally.
_MAX_REMOTE_HEADERS = 6
_MAX_LOCAL_HEADERS = 60


@dataclass(frozen=True)
class FoundComponent:
    """A component that was found.

    Attributes:
        component: Component that it is used as; a tiny autoencoder can replace a VAE.
        file: The file.
        header: Header of the file; ``None`` if it has not been read.
    """

    component: str
    file: CandidateFile
    header: ModelHeader | None


@dataclass(frozen=True)
class FoundComponents:
    """The components that a model lacked.

    Attributes:
        files: Found files, by component.
        notes: Notes on where they were found, except in the model's repository, and on local files
            beside the model that do not fit.
    """

    files: dict[str, ComponentFile]
    notes: tuple[str, ...]


def find_components(
    family: Family,
    main: ModelHeader,
    label: str,
    files: Sequence[CandidateFile],
    open_hub: OpenHub,
    *,
    present: AbstractSet[str],
    llm: ComponentFile | None = None,
    fetch_optional: bool = True,
) -> FoundComponents:
    """Find the components that a model lacks and its family uses.

    Args:
        family: The model's family.
        main: Header of its file.
        label: Name of that file in messages.
        files: The files beside it, in its repository or in its local folder.
        open_hub: Returns the hub and its cache, to search next.
        present: Components in its file, or chosen by the user.
        llm: The language model that the user chose, whose vision encoder may be beside it.
        fetch_optional: Whether to download optional components, too.

    Raises:
        ModelNotFoundError: A required component was not found.
        FetchError: The hub is unavailable.
    """
    finder = ComponentFinder(open_hub, family, main, label)
    present = treat_taesd_as_vae(set(present))
    found: dict[str, FoundComponent] = {}
    missing = []
    for component in (*missing_components(family, present), *family.optional):
        if component in present:
            continue
        one = finder.find_beside(files, component, [each.file for each in found.values()])
        if one is None and component == "llm_vision":
            llm = _component_file(found["llm"], files, finder) if "llm" in found else llm
            if llm is not None and has_vision_encoder(llm.header):
                continue
            one = None if llm is None else finder.find_beside_language_model(llm)
        if one is None:
            only_cached = component in family.optional and not fetch_optional
            one = finder.find_elsewhere(component, only_cached=only_cached)
        if one is not None:
            found[one.component] = one
        elif component not in family.optional:
            missing.append(component)
    if missing:
        raise finder.error(missing)
    return found_components(found, files, finder)


def found_components(
    found: Mapping[str, FoundComponent], files: Sequence[CandidateFile], finder: "ComponentFinder"
) -> FoundComponents:
    """Return components with the notes on where they were found; ``files`` are beside the model."""
    elsewhere = (one for one in found.values() if not _is_in_repository(one.file, files))
    notes = (*finder.notes, *_notes_on_places(elsewhere, files, finder))
    component_files = {name: _component_file(one, files, finder) for name, one in found.items()}
    return FoundComponents(component_files, notes)


def _component_file(
    found: FoundComponent, files: Sequence[CandidateFile], finder: "ComponentFinder"
) -> ComponentFile:
    file, header = found.file, found.header
    if isinstance(file, RepositoryFile):
        origin = "beside" if _is_in_repository(file, files) else "hub"
        return hub_component(found.component, file, header, finder.hub, origin)
    assert header is not None  # local files are chosen by their headers
    model_file = ModelFile(found.component, file.location, header.file_bytes, origin="beside")
    return ComponentFile(model_file, header, file.label)


def _is_in_repository(file: CandidateFile, files: Sequence[CandidateFile]) -> bool:
    """Return True for a file of the model's repository, which the user has named."""
    return isinstance(file, RepositoryFile) and file in files


def _notes_on_places(
    components: Iterable[FoundComponent],
    files: Sequence[CandidateFile],
    finder: "ComponentFinder",
) -> Iterator[str]:
    """Return a note for each place where components were found."""
    places: dict[str, list[str]] = {}
    for found in components:
        file, size = found.file, ""
        if isinstance(file, LocalFile):
            place = f"found beside the {'model' if file in files else 'language model'}"
        elif finder.hub.path_of(file) is not None:
            place = "found in the cache"
        else:
            place = "not on this machine, so downloaded from the hub"
            size = f", {format_bytes(file.bytes)}" if file.bytes >= 0 else ""
        text = phrase("{} ({}{})", file.label, Argument(found.component), size)
        places.setdefault(place, []).append(text)
    return (phrase("{}: {}", place, joined(", ", found)) for place, found in places.items())


class ComponentFinder:
    """Search for the components of one model.

    Attributes:
        notes: Notes on local files beside the model that are named like a component and do not fit.
            Files of a repository are not the user's, and are not read again for a note.
        reasons: Why the known places did not have a component, by component.
    """

    def __init__(self, open_hub: OpenHub, family: Family, main: ModelHeader, label: str) -> None:
        """Prepare a search.

        Args:
            open_hub: Returns the hub and its cache.
            family: The model's family.
            main: Header of the model's file.
            label: Name of that file in messages.
        """
        self._open_hub = open_hub
        self._family = family
        self._main = main
        self._display_name = label
        widths = (
            tensor.shape[0]
            for name, tensor in main.tensors.items()
            if family.text_input and name.endswith(family.text_input)
        )
        self._text_width = next(widths, 0)
        self._headers: dict[CandidateFile, ModelHeader | None] = {}
        self._misfits: dict[CandidateFile, DrawError] = {}
        self.reasons: dict[str, list[DrawError]] = {}
        self._hub_is_unavailable = False
        self.notes: list[str] = []

    @property
    def hub(self) -> Hub:
        """The hub and its cache."""
        return self._open_hub()

    def find_beside(
        self, files: Sequence[CandidateFile], component: str, used: Sequence[CandidateFile]
    ) -> FoundComponent | None:
        """Find a component beside the model, by its name and header.

        Args:
            files: Files of the model's repository, or of its local folder.
            component: Component to find; a tiny autoencoder counts as a VAE.
            used: Files that already are another component.
        """
        by_path = {file.path: file for file in files if file not in used}
        for name in ("vae", "taesd") if component == "vae" else (component,):
            likely = [by_path[path] for path in likely_files(name, [*by_path])]
            is_local = any(isinstance(file, LocalFile) for file in likely)
            for file in likely[: _MAX_LOCAL_HEADERS if is_local else _MAX_REMOTE_HEADERS]:
                if self._component_in(file) == name:
                    return FoundComponent(name, file, self._known_header(file))
        named = [by_path[path] for path in files_named_like(component, [*by_path])]
        local = (file for file in named if isinstance(file, LocalFile))
        errors = (self._misfits[file] for file in local if file in self._misfits)
        self.notes += [phrase("skipped: {}", error.message) for error in errors]
        return None

    def find_beside_language_model(self, llm: ComponentFile) -> FoundComponent | None:
        """Find the vision encoder of a language model beside it, by its name and header."""
        try:
            return self.find_beside(
                files_beside_language_model(llm, self._open_hub), "llm_vision", []
            )
        except (ModelNotFoundError, FetchError) as error:
            self.reasons.setdefault("llm_vision", []).append(error)
        return None

    def find_elsewhere(self, component: str, *, only_cached: bool = False) -> FoundComponent | None:
        """Find a component in the first of its known places that has it.

        Args:
            component: Component to find.
            only_cached: Whether to search only the cache.

        Returns:
            The component; ``None`` if no place has it. :meth:`error` has the reasons.
        """
        sources = self._family.sources_of(component, self._text_width)
        # Cached files go first: they need no request.
        for is_cached in (True,) if only_cached else (True, False):
            for source in sources:
                if self._hub_is_unavailable and not is_cached:
                    return None
                found = self._try_source(source, component, only_cached=is_cached)
                if found is not None:
                    return found
        return None

    def _try_source(
        self, source: Source, component: str, *, only_cached: bool
    ) -> FoundComponent | None:
        reasons = self.reasons.setdefault(component, [])
        try:
            file = self._look_in(source, component, only_cached=only_cached)
            return None if file is None else self._take(file, source, component)
        except HubUnavailableError as error:
            self._hub_is_unavailable = True  # the other places are on the same hub
            reasons.append(error)
        except (ModelNotFoundError, ModelFileError, FetchError) as error:
            if not only_cached:
                reasons.append(error)
        return None

    def _take(self, file: RepositoryFile, source: Source, component: str) -> FoundComponent:
        """Return a component from a known repository.

        Its header is read first if that is cheap or if the width may differ. Other GGUF files are
        checked after the download.
        """
        may_differ = bool(source.width and self._text_width % source.width)
        is_cheap = file.path.lower().endswith(".safetensors")
        if not is_cheap and not may_differ and self.hub.path_of(file) is None:
            return FoundComponent(component, file, None)
        header = self.hub.read_header(file)
        if component == "vae" and _is_component("taesd", header):
            component = "taesd"
        else:
            check_component(component, header, file.label)
        self._check_fit(component, header, file.label)
        return FoundComponent(component, file, header)

    def _look_in(
        self, source: Source, component: str, *, only_cached: bool
    ) -> RepositoryFile | None:
        def choose(repository: Repository) -> RepositoryFile:
            choice = choose_file(
                repository.paths,
                source.file,
                has_explicit_tag=True,
                repository=source.repository,
                component_paths=files_named_like(component, repository.paths),
            )
            return repository.file(choice.path)

        known = self.hub.cache.read_repository(source.repository, source.revision)
        is_offline = self.hub.client.is_offline
        if known is not None and (only_cached or is_offline):
            file = choose(known)
            if self.hub.path_of(file) is not None:
                return file
            if is_offline and not only_cached:
                raise self.hub.missing_offline(file)
        if only_cached:
            return None
        return choose(self.hub.repository(source.repository, source.revision, is_sufficient=None))

    def _component_in(self, file: CandidateFile) -> str:
        """Return the component of this model that a file is; empty if it is none.

        Results for files on the hub are cached, since each costs a request. A downloaded file is
        read again: its whole header can show more than the start that was read from the hub.
        """
        if isinstance(file, LocalFile):
            return self._component_of(file)
        fact = f"component-{self._family.name}-{self._text_width}"
        known = self.hub.cache.read_fact(file, fact)
        if known is not None and self.hub.path_of(file) is None:
            return known
        component = self._component_of(file)
        self.hub.cache.record_fact(file, fact, component)
        return component

    def _component_of(self, file: CandidateFile) -> str:
        header = self._header(file)
        if header is None:
            return ""
        for component in COMPONENTS:
            if _is_component(component, header):
                try:
                    self._check_fit(component, header, file.label)
                except ModelFileError as error:
                    self._misfits[file] = error
                else:
                    return component
        return ""

    def _header(self, file: CandidateFile) -> ModelHeader | None:
        if file not in self._headers:
            self._headers[file] = None
            try:
                if isinstance(file, LocalFile):
                    self._headers[file] = read_model_header(file.location, label=file.label)
                else:
                    self._headers[file] = self.hub.read_header(file)
            except (ModelFileError, ModelNotFoundError) as error:
                self._misfits[file] = error
        return self._headers[file]

    def _known_header(self, file: CandidateFile) -> ModelHeader | None:
        """Return a file's header if reading it takes no request."""
        is_local = isinstance(file, LocalFile) or self.hub.path_of(file) is not None
        return self._header(file) if is_local or file in self._headers else None

    def _check_fit(self, component: str, header: ModelHeader, label: str) -> None:
        components = {component: (header, label)}
        check_components(self._family, self._main, self._display_name, components)

    def error(self, components: Sequence[str]) -> DrawError:
        """Return the error for components that were not found, with the places of the first."""
        is_one = len(components) == 1
        titles = " and ".join(title_of(component, self._family) for component in components)
        named = joined(" ", [Argument(component, "FILE") for component in components])
        reasons = self.reasons.get(components[0], [])
        why = joined("", [phrase("; {}", reason.message) for reason in reasons])
        hints: list[str] = [phrase("name {} with {}", "it" if is_one else "them", named)]
        sources = self._family.sources_of(components[0], self._text_width)
        places = " or ".join(f"hf.co/{source.repository}:{source.file}" for source in sources)
        if places and is_one:
            hints.append(f"it is usually in {places}")
        # Hints about access help; those about spelling concern names that the user never typed.
        helpful = [reason.hint for reason in reasons if isinstance(reason, FetchError)]
        hints += [hint for hint in helpful[:1] if hint]
        return ModelNotFoundError(
            phrase(
                "{} ({}) cannot draw without {}, {} neither in the file nor beside it{}",
                quoted(self._display_name),
                self._family.title,
                titles,
                "which is" if is_one else "which are",
                why,
            ),
            hint=joined("; ", hints),
            argument=components[0],
        )


def _is_component(component: str, header: ModelHeader) -> bool:
    if component == "taesd" and any(name.startswith("tae.decoder.") for name in header.tensors):
        return True
    return identify_file(header) == component and detect_family(header) is None
