"""The components that a model's file lacks: found beside it, in the cache, or in usual places."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

from gpustack_draw.errors import DrawError, FetchError, ModelFileError, ModelNotFoundError, quoted
from gpustack_draw.headers.header import ModelHeader, read_model_header
from gpustack_draw.hub import Hub, HubUnavailableError, Repository, RepositoryFile
from gpustack_draw.hub.choose_file import choose_file
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.resolver.compatibility import check_parts
from gpustack_draw.resolver.component_sources import Source, beside, may_be_part, sources_of
from gpustack_draw.resolver.detect_family import Family, detect_family, kind_of
from gpustack_draw.resolver.local_components import LocalFile
from gpustack_draw.resolver.requirements import check_kind, missing_parts, with_stand_in
from gpustack_draw.resolver.resolved_model import ModelFile, option_of, title_of
from gpustack_draw.resolver.user_components import FoundParts, Given, component_of_hub
from gpustack_draw.units import format_bytes

PartFile = LocalFile | RepositoryFile

# Components that a name can stand for at once: a tiny autoencoder does a VAE's work, and the words
# of a language model's name stand for other text encoders, too.
_ALIKE = {"vae": {"taesd"}, "taesd": {"vae"}}
_VAGUE = {"llm"}
# Headers that are read to find out what the files beside a model are, on the hub and here.
_MOST_REMOTE_HEADERS = 6
_MOST_LOCAL_HEADERS = 60


@dataclass(frozen=True)
class FoundPart:
    """A component that was found.

    Attributes:
        component: What it serves as: a tiny autoencoder can take the VAE's place.
        file: Where it is.
        header: Of the file; ``None`` where it has not been read yet.
    """

    component: str
    file: PartFile
    header: ModelHeader | None


def find_parts(
    family: Family,
    there: AbstractSet[str],
    main: ModelHeader,
    shown: str,
    files: Sequence[PartFile],
    *,
    hub: Hub | None = None,
    fetch_optional: bool = True,
) -> FoundParts:
    """Find the components that a model lacks, of those that its family uses.

    Args:
        family: The model's family.
        there: Components in its file, or named by the user.
        main: Header of its file.
        shown: What messages call that.
        files: The files beside it, in its repository or in its folder on this machine.
        hub: The hub and its cache, where to look next.
        fetch_optional: Whether to fetch also what the family draws without.

    Raises:
        ModelNotFoundError: A component that it cannot draw without is nowhere.
        FetchError: The hub cannot be asked.
    """
    finder = PartFinder(hub, family, main, shown)
    there = with_stand_in(set(there))
    found: dict[str, FoundPart] = {}
    missing = []
    for component in (*missing_parts(family, there), *family.optional):
        if component in there:
            continue
        part = finder.find_beside(files, component, [part.file for part in found.values()])
        if part is None:
            only_here = component in family.optional and not fetch_optional
            part = finder.find_elsewhere(component, only_here=only_here)
        if part is not None:
            found[part.component] = part
        elif component not in family.optional:
            missing.append(component)
    if missing:
        raise finder.error(missing)
    notes = (*finder.notes, *_places(found.values(), finder))
    return FoundParts({name: _given(part, files, finder) for name, part in found.items()}, notes)


def _given(part: FoundPart, files: Sequence[PartFile], finder: "PartFinder") -> Given:
    file, header = part.file, part.header
    if isinstance(file, RepositoryFile):
        origin = "beside" if file in files else "hub"
        return component_of_hub(part.component, file, header, finder.hub, origin)
    assert header is not None  # it is what a file here is chosen by
    size = header.file_bytes
    return Given(
        ModelFile(part.component, file.location, size, origin="beside"), header, file.shown
    )


def _places(parts: Iterable[FoundPart], finder: "PartFinder") -> Iterator[str]:
    """Say where components were found: beside the model, in the cache, or only on the hub."""
    places: dict[str, list[str]] = {}
    for part in parts:
        file, option = part.file, option_of(part.component)
        if isinstance(file, LocalFile):
            places.setdefault("found beside the model", []).append(f"{file.shown} ({option})")
        elif finder.hub.path_of(file) is not None:
            places.setdefault("found in the cache", []).append(f"{file.shown} ({option})")
        else:
            size = f", {format_bytes(file.bytes)}" if file.bytes >= 0 else ""
            text = f"{file.shown} ({option}{size})"
            places.setdefault("not on this machine, so fetched from the hub", []).append(text)
    return (f"{place}: {', '.join(files)}" for place, files in places.items())


class PartFinder:
    """Finds the components of one model.

    Attributes:
        notes: Files beside the model that are named like a component and do not fit.
    """

    def __init__(self, hub: Hub | None, family: Family, main: ModelHeader, shown: str) -> None:
        """Prepare to look.

        Args:
            hub: The hub and its cache; ``None`` for one that is made when it is needed.
            family: The model's family.
            main: Header of the model's file.
            shown: What messages call that.
        """
        self._given_hub = hub
        self._family = family
        self._main = main
        self._shown = shown
        widths = (
            tensor.shape[0]
            for name, tensor in main.tensors.items()
            if family.text_input and name.endswith(family.text_input)
        )
        self._text_width = next(widths, 0)
        self._headers: dict[PartFile, ModelHeader | None] = {}
        self._misfits: dict[PartFile, DrawError] = {}
        self._reasons: dict[str, list[DrawError]] = {}
        self._hub_is_silent = False
        self.notes: list[str] = []

    @cached_property
    def hub(self) -> Hub:
        """The hub and its cache."""
        return self._given_hub or Hub()

    def find_beside(
        self, files: Sequence[PartFile], component: str, taken: Sequence[PartFile]
    ) -> FoundPart | None:
        """Find a component beside the model: likely by its name, and fitting by its header.

        Args:
            files: Those of the model's repository, or of its folder on this machine.
            component: What to find; for a VAE, a tiny autoencoder will do.
            taken: Files that are in use already.
        """
        by_path = {file.path: file for file in files if file not in taken}
        for wanted in ("vae", "taesd") if component == "vae" else (component,):
            likely = [by_path[path] for path in _candidates([*by_path], wanted)]
            is_local = any(isinstance(file, LocalFile) for file in likely)
            for file in likely[: _MOST_LOCAL_HEADERS if is_local else _MOST_REMOTE_HEADERS]:
                if self._serves_as(file) == wanted:
                    return FoundPart(wanted, file, self._known_header(file))
        named = [by_path[path] for path in beside([*by_path], component)]
        errors = (self._misfits[file] for file in named if file in self._misfits)
        self.notes += [f"passed over: {error.message}" for error in errors]
        return None

    def find_elsewhere(self, component: str, *, only_here: bool = False) -> FoundPart | None:
        """Find a component in one of its usual places, the first that gives it.

        Args:
            component: What to find.
            only_here: Whether to take it only where it is in the cache.

        Returns:
            None where it is nowhere; :meth:`error` says why.
        """
        sources = sources_of(self._family, component, self._text_width)
        # What is here already goes first: then nobody need be asked.
        for is_cached in (True,) if only_here else (True, False):
            for source in sources:
                if self._hub_is_silent and not is_cached:
                    return None
                part = self._try_place(source, component, is_cached)
                if part is not None:
                    return part
        return None

    def _try_place(self, source: Source, component: str, only_here: bool) -> FoundPart | None:
        reasons = self._reasons.setdefault(component, [])
        try:
            file = self._look_in(source, component, only_here)
            return None if file is None else self._take(file, source, component)
        except HubUnavailableError as error:
            self._hub_is_silent = True  # the other places are on the same hub
            reasons.append(error)
        except (ModelNotFoundError, ModelFileError, FetchError) as error:
            if not only_here:
                reasons.append(error)
        return None

    def _take(self, file: RepositoryFile, source: Source, component: str) -> FoundPart:
        """Take a file from its usual place, after a look into it where there may be a surprise.

        A GGUF file is taken at its name there, and checked once it is here.
        """
        surprising = bool(source.width and self._text_width % source.width)
        small = file.path.lower().endswith(".safetensors")
        if not small and not surprising and self.hub.path_of(file) is None:
            return FoundPart(component, file, None)
        header = self.hub.read_header(file)
        if component == "vae" and _is_kind("taesd", header):
            component = "taesd"
        else:
            check_kind(component, header, file.shown)
        self._check_fit(component, header, file.shown)
        return FoundPart(component, file, header)

    def _look_in(self, source: Source, component: str, only_here: bool) -> RepositoryFile | None:
        def chosen(repository: Repository) -> RepositoryFile:
            choice = choose_file(
                repository.paths,
                source.file,
                tag_given=True,
                repository=source.repository,
                parts=beside(repository.paths, component),
            )
            return repository.file(choice.path)

        known = self.hub.cache.read_repository(source.repository, source.revision)
        is_offline = self.hub.client.is_offline
        if known is not None and (only_here or is_offline):
            file = chosen(known)
            if self.hub.path_of(file) is not None:
                return file
            if is_offline and not only_here:
                raise self.hub.missing_offline(file)
        if only_here:
            return None
        return chosen(self.hub.repository(source.repository, source.revision, wanted=None))

    def _serves_as(self, file: PartFile) -> str:
        """Return which component of this model a file is; empty where it is none.

        The hub is asked once: repositories hold files that are no part of their model. A file that
        is here may tell more than its beginning on the hub did.
        """
        if isinstance(file, LocalFile):
            return self._component_of(file)
        what = f"part-{self._family.name}-{self._text_width}"
        known = self.hub.cache.read_fact(file, what)
        if known is not None and self.hub.path_of(file) is None:
            return known
        serves_as = self._component_of(file)
        self.hub.cache.keep_fact(file, what, serves_as)
        return serves_as

    def _component_of(self, file: PartFile) -> str:
        header = self._header(file)
        if header is None:
            return ""
        for component in COMPONENTS:
            if _is_kind(component, header):
                try:
                    self._check_fit(component, header, file.shown)
                except ModelFileError as error:
                    self._misfits[file] = error
                else:
                    return component
        return ""

    def _header(self, file: PartFile) -> ModelHeader | None:
        if file not in self._headers:
            self._headers[file] = None
            try:
                if isinstance(file, LocalFile):
                    self._headers[file] = read_model_header(file.location, shown=file.shown)
                else:
                    self._headers[file] = self.hub.read_header(file)
            except (ModelFileError, ModelNotFoundError) as error:
                self._misfits[file] = error
        return self._headers[file]

    def _known_header(self, file: PartFile) -> ModelHeader | None:
        """Return a header that costs no request; one that was checked before is not read again."""
        is_here = isinstance(file, LocalFile) or self.hub.path_of(file) is not None
        return self._header(file) if is_here or file in self._headers else None

    def _check_fit(self, component: str, header: ModelHeader, shown: str) -> None:
        check_parts(self._family, self._main, self._shown, {component: (header, shown)})

    def error(self, components: Sequence[str]) -> DrawError:
        """Make the error for components that are nowhere, the first of them with its places."""
        is_one = len(components) == 1
        titles = " and ".join(title_of(component, self._family) for component in components)
        options = " ".join(f"{option_of(component)} FILE" for component in components)
        reasons = self._reasons.get(components[0], [])
        why = "".join(f"; {reason.message}" for reason in reasons)
        hint = f"name {'it' if is_one else 'them'} with {options}"
        sources = sources_of(self._family, components[0], self._text_width)
        places = " or ".join(f"hf.co/{source.repository}:{source.file}" for source in sources)
        if places and is_one:
            hint += f"; it is usually in {places}"
        # Terms to accept help; the spelling of a place that the user never typed does not.
        helpful = [reason.hint for reason in reasons if isinstance(reason, FetchError)]
        hint += "".join(f"; {text}" for text in helpful[:1] if text)
        return ModelNotFoundError(
            f"{quoted(self._shown)} ({self._family.title}) cannot draw without {titles},"
            f" {'which is' if is_one else 'which are'} neither in the file nor beside it{why}",
            hint=hint,
        )


def _is_kind(component: str, header: ModelHeader) -> bool:
    if component == "taesd" and any(name.startswith("tae.decoder.") for name in header.tensors):
        return True
    return kind_of(header) == component and detect_family(header) is None


def _candidates(paths: Sequence[str], component: str) -> list[str]:
    """Give the files that may be a component, the likeliest first, so that few are looked into.

    First those that are named like it and nothing else, last those that are named like another.
    """
    others = set(COMPONENTS) - {component} - _ALIKE.get(component, set()) - _VAGUE
    like_others = {path for other in others for path in beside(paths, other)}
    named = beside(paths, component)
    unnamed = [path for path in paths if may_be_part(path) and not path.lower().endswith(".gguf")]
    return [
        path
        for group in (named, [path for path in unnamed if path not in named])
        for path in sorted(group, key=lambda path: path in like_others)
    ]
