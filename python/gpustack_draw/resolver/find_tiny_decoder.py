"""Find the tiny decoder of a model's family: beside the model, in the cache, or on the hub."""

from collections.abc import Sequence

from gpustack_draw.errors import DrawError, ModelNotFoundError, UsageError
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.phrases import joined, phrase
from gpustack_draw.resolver.candidate_files import files_named_like
from gpustack_draw.resolver.families import Family
from gpustack_draw.resolver.find_components import (
    CandidateFile,
    ComponentFinder,
    FoundComponents,
    found_components,
)
from gpustack_draw.resolver.user_components import OpenHub


def find_tiny_decoder(
    family: Family,
    main: ModelHeader,
    label: str,
    files: Sequence[CandidateFile],
    open_hub: OpenHub,
) -> FoundComponents:
    """Find the tiny decoder that decodes the latents of a family.

    Args:
        family: The model's family.
        main: Header of the model's file.
        label: Name of that file in messages.
        files: The files beside it, in its repository or in its local folder.
        open_hub: Returns the hub and its cache, to search next.

    Raises:
        UsageError: The family has none that the engine reads.
        ModelNotFoundError: It was not found.
    """
    sources = family.sources_of("taesd")
    if not sources:
        raise UsageError(
            f"no tiny decoder of {family.title} is known that the engine reads",
            hint=phrase("leave {taesd} out"),
            argument="taesd",
        )
    finder = ComponentFinder(open_hub, family, main, label)
    # Each header of a repository takes a request, so only files with such a name are read.
    named = files_named_like("taesd", [file.path for file in files])
    beside = [file for file in files if file.path in named]
    found = finder.find_beside(beside, "taesd", []) or finder.find_elsewhere("taesd")
    if found is None:
        raise _not_found(family, finder.reasons.get("taesd", []))
    return found_components({"taesd": found}, files, finder)


def _not_found(family: Family, reasons: Sequence[DrawError]) -> ModelNotFoundError:
    why = joined("", [phrase("; {}", reason.message) for reason in reasons])
    places = " or ".join(
        f"hf.co/{source.repository}:{source.file}" for source in family.sources_of("taesd")
    )
    return ModelNotFoundError(
        phrase("the tiny decoder of {} was not found{}", family.title, why),
        hint=phrase("leave {taesd} out, or name a file with it; it is usually in {}", places),
        argument="taesd",
    )
