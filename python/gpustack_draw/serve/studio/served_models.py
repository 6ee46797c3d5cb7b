"""The models that clients may name."""

from dataclasses import dataclass

from gpustack_draw.errors import ModelNotFoundError, quoted
from gpustack_draw.serve.options import ServeOptions
from gpustack_draw.serve.studio.references import is_hub_reference


@dataclass(frozen=True)
class ServedModel:
    """A model that clients may name.

    Attributes:
        name: Its name.
        reference: As for :func:`gpustack_draw.load`.
        may_fetch: Whether its missing files may be downloaded.
        is_named_by_client: Whether it is none of the command line.
    """

    name: str
    reference: str
    may_fetch: bool = True
    is_named_by_client: bool = False


class ServedModels:
    """The models of the command line, and those of Hugging Face if clients may name them.

    Attributes:
        all: The models of the command line.
    """

    def __init__(self, options: ServeOptions) -> None:
        """List the models of the options."""
        self.all = tuple(
            ServedModel(each.name, each.reference, each.is_typed or options.allow_fetch)
            for each in options.models
        )
        self._allow_fetch = options.allow_fetch

    def find(self, name: str | None) -> ServedModel:
        """Return the model of a name.

        Args:
            name: ``None`` for the first one. A single model answers to every name, because GPUStack
                renames routes, except to one of Hugging Face.

        Raises:
            ModelNotFoundError: There is none.
        """
        if name is None:
            return self.all[0]
        for model in self.all:
            if name == model.name or (name == model.reference and is_hub_reference(name)):
                return model
        is_on_hub = is_hub_reference(name)
        if is_on_hub and self._allow_fetch:
            return ServedModel(name, name, is_named_by_client=True)
        if len(self.all) == 1 and not is_on_hub:
            return self.all[0]
        names = ", ".join(model.name for model in self.all)
        raise ModelNotFoundError(
            f"there is no model {quoted(name)} on this server",
            hint=f"choose one of: {names}",
            argument="model",
        )
