"""The components that a model of the hub lacks: found beside it, or in their usual places."""

from collections.abc import Sequence
from dataclasses import dataclass

from gpustack_draw.choose_file import choose_file
from gpustack_draw.component_sources import Source, beside, sources_of
from gpustack_draw.errors import DrawError, FetchError, ModelFileError, ModelNotFoundError, quoted
from gpustack_draw.families import Family, detect_family, kind_of
from gpustack_draw.hub import Hub, HubTroubleError, Repository, RepositoryFile
from gpustack_draw.model_checks import check_parts
from gpustack_draw.model_header import ModelHeader
from gpustack_draw.model_rules import check_kind
from gpustack_draw.names import COMPONENTS
from gpustack_draw.resolved_model import option_of, title_of

# Components that a name can stand for at once: a tiny autoencoder does a VAE's work, and the words
# of a language model's name stand for other text encoders, too.
_ALIKE = {"vae": {"taesd"}, "taesd": {"vae"}}
_VAGUE = {"llm"}
# Headers that are read to find out what the files beside a model are.
_MOST_HEADERS = 6


@dataclass(frozen=True)
class FoundPart:
    """A component that was found.

    Attributes:
        component: What it serves as: a tiny autoencoder can take the VAE's place.
        file: Where it is.
        header: Of the file; ``None`` where it has not been read yet.
    """

    component: str
    file: RepositoryFile
    header: ModelHeader | None


class PartFinder:
    """Finds the components of one model."""

    def __init__(self, hub: Hub, family: Family, main: ModelHeader, shown: str) -> None:
        """Prepare to look.

        Args:
            hub: Where to look.
            family: The model's family.
            main: Header of the model's file.
            shown: What messages call that.
        """
        self._hub = hub
        self._family = family
        self._main = main
        self._shown = shown
        widths = (
            tensor.shape[0]
            for name, tensor in main.tensors.items()
            if family.text_input and name.endswith(family.text_input)
        )
        self._text_width = next(widths, 0)
        self._headers: dict[RepositoryFile, ModelHeader | None] = {}

    def find_beside(
        self, repository: Repository, component: str, taken: Sequence[RepositoryFile]
    ) -> FoundPart | None:
        """Find a component in the model's own repository: named like one, and being one.

        Args:
            repository: The model's.
            component: What to find; for a VAE, a tiny autoencoder will do.
            taken: Files that are in use already.
        """
        for wanted in ("vae", "taesd") if component == "vae" else (component,):
            files = [repository.file(path) for path in _candidates(repository.paths, wanted)]
            for file in [file for file in files if file not in taken][:_MOST_HEADERS]:
                if self._serves_as(file) == wanted:
                    return FoundPart(wanted, file, self._known_header(file))
        return None

    def find_elsewhere(self, component: str) -> FoundPart | None:
        """Find a component in one of its usual places, the first that gives it.

        Returns:
            None where an optional one is nowhere: the model draws without it.

        Raises:
            ModelNotFoundError: None does.
            FetchError: The hub cannot be asked.
        """
        sources = sources_of(self._family, component, self._text_width)
        reasons: list[DrawError] = []
        # What is here already goes first: then nobody need be asked.
        for only_here in (True, False):
            for source in sources:
                part = self._try_place(source, component, only_here, reasons)
                if part is not None:
                    return part
        if component in self._family.optional:
            return None
        raise self._without(component, sources, reasons)

    def _try_place(
        self,
        source: Source,
        component: str,
        only_here: bool,
        reasons: list[DrawError],
    ) -> FoundPart | None:
        try:
            file = self._look_in(source, component, only_here)
            return None if file is None else self._take(file, source, component)
        except HubTroubleError as error:
            raise self._without(component, [source], [error]) from error
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
        if not small and not surprising and self._hub.path_of(file) is None:
            return FoundPart(component, file, None)
        header = self._hub.read_header(file)
        for wanted in ("vae", "taesd") if component == "vae" else (component,):
            if self._fits(wanted, header, file.shown):
                return FoundPart(wanted, file, header)
        check_kind(component, header, file.shown)
        check_parts(self._family, self._main, self._shown, {component: (header, file.shown)})
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

        known = self._hub.cache.read_repository(source.repository, source.revision)
        if known is not None and (only_here or self._hub.client.is_offline):
            file = chosen(known)
            return file if self._hub.path_of(file) is not None else None
        if only_here:
            return None
        return chosen(self._hub.repository(source.repository, source.revision, wanted=None))

    def _serves_as(self, file: RepositoryFile) -> str:
        """Tell which component of this model a file is; empty where it is none.

        Asked of the hub once: repositories hold files that are no part of their model. A file that
        is here may tell more than its beginning on the hub did.
        """
        what = f"part-{self._family.name}-{self._text_width}"
        known = self._hub.cache.read_fact(file, what)
        if known is not None and self._hub.path_of(file) is None:
            return known
        header = self._header(file)
        fitting = (
            component
            for component in COMPONENTS
            if header is not None and self._fits(component, header, file.shown)
        )
        serves_as = next(fitting, "")
        self._hub.cache.keep_fact(file, what, serves_as)
        return serves_as

    def _header(self, file: RepositoryFile) -> ModelHeader | None:
        if file not in self._headers:
            try:
                self._headers[file] = self._hub.read_header(file)
            except ModelFileError:
                self._headers[file] = None
        return self._headers[file]

    def _known_header(self, file: RepositoryFile) -> ModelHeader | None:
        """Give a header that costs no request; one that was checked before is not read again."""
        if file in self._headers or self._hub.path_of(file) is not None:
            return self._header(file)
        return None

    def _fits(self, component: str, header: ModelHeader, shown: str) -> bool:
        is_tiny = component == "taesd" and any(
            name.startswith("tae.decoder.") for name in header.tensors
        )
        if not is_tiny and (kind_of(header) != component or detect_family(header) is not None):
            return False
        try:
            check_parts(self._family, self._main, self._shown, {component: (header, shown)})
        except ModelFileError:
            return False
        return True

    def _without(
        self, component: str, sources: Sequence[Source], reasons: Sequence[DrawError]
    ) -> DrawError:
        title, option = title_of(component, self._family), option_of(component)
        why = "".join(f"; {reason.message}" for reason in reasons)
        places = " or ".join(f"hf.co/{source.repository}:{source.file}" for source in sources)
        hint = f"name it with {option} FILE"
        if places:
            hint += f"; it is usually in {places}"
        # Terms to accept help; the spelling of a place that the user never typed does not.
        helpful = [reason.hint for reason in reasons if isinstance(reason, FetchError)]
        hint += "".join(f"; {text}" for text in helpful[:1] if text)
        return ModelNotFoundError(
            f"{quoted(self._shown)} ({self._family.title}) cannot draw without {title}, which is"
            f" neither in the file nor beside it{why}",
            hint=hint,
        )


def _candidates(paths: Sequence[str], component: str) -> list[str]:
    """Give the files that may be a component, the likeliest first, so that few are looked into.

    First those that are named like it and nothing else, last those that are named like another.
    """
    others = set(COMPONENTS) - {component} - _ALIKE.get(component, set()) - _VAGUE
    like_others = {path for other in others for path in beside(paths, other)}
    named = beside(paths, component)
    unnamed = [path for path in paths if path.lower().endswith(".safetensors")]
    return [
        path
        for group in (named, [path for path in unnamed if path not in named])
        for path in sorted(group, key=lambda path: path in like_others)
    ]
