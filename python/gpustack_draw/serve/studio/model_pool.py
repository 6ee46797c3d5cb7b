"""The models of the server, and which of them are in memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import cached_property
from typing import TypeAlias

import gpustack_draw
from gpustack_draw import DrawRequest, Model, ModelPlan, PictureOptions
from gpustack_draw.errors import FetchError, UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.serve.options import KeepLoaded, ServeOptions
from gpustack_draw.serve.studio.picture_uses import PictureUses, find_uses
from gpustack_draw.serve.studio.served_models import ServedModel

LoadFunction: TypeAlias = Callable[..., Model]  # gpustack_draw.load, or with its parameters

_MAX_OPEN = 32  # models that clients have named, with the names of their tensors in memory
_SAMPLE_SIDE = 64  # pixels of the picture for which a model that needs one is planned


class _Entry:
    """A model whose files have been found."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.request, self.plan = _plan_sample(model)
        self.bytes = sum(file.bytes for file in self.plan.files)
        self.is_fetched = self.plan.fetch_bytes == 0

    @cached_property
    def uses(self) -> PictureUses:
        return find_uses(self.model)


class ModelPool:
    """Opens models on demand; unloads the one that was used least recently where memory is short.

    Opening is thread-safe; loading and unloading are for the drawing thread.
    """

    def __init__(self, options: ServeOptions, load: LoadFunction) -> None:
        """Create a pool without any model.

        Args:
            options: The options of the server.
            load: Finds a model.
        """
        self._keywords = {**options.load, "on": "local"}
        if options.debug:
            self._keywords["on_log"] = _log_line
        self._keep: KeepLoaded = options.keep_loaded
        self._load = load
        self._entries: dict[ServedModel, _Entry] = {}
        self._opening: dict[ServedModel, threading.Lock] = {}
        self._lock = threading.Lock()
        self._loaded: OrderedDict[ServedModel, None] = OrderedDict()  # least recently used first

    def is_open(self, served: ServedModel) -> bool:
        """Return whether the files of a model have been found."""
        return served in self._entries

    def is_fetched(self, served: ServedModel) -> bool:
        """Return whether a model is open and has all its files."""
        entry = self._entries.get(served)
        return entry is not None and entry.is_fetched

    def open(self, served: ServedModel) -> Model:
        """Return a model; the first call finds its files, which may take seconds.

        Raises:
            DrawError: There is no such model, it cannot be used, or it lacks files that may not be
                downloaded.
        """
        return self._entry(served).model

    def plan(self, served: ServedModel) -> ModelPlan:
        """Return the plan of a drawing without options; see :meth:`open`."""
        return self._entry(served).plan

    def uses(self, served: ServedModel) -> PictureUses:
        """Return how a model uses pictures, which is found out once; see :meth:`open`."""
        return self._entry(served).uses

    def fetch(
        self,
        served: ServedModel,
        on_progress: Callable[[gpustack_draw.Progress], None],
        request: DrawRequest | None = None,
    ) -> None:
        """Download the missing files of a model, and those of a request.

        Raises:
            FetchError: A file cannot be downloaded, stored or verified.
            ModelFileError: A file is not the component that it is used as.
        """
        entry = self._entry(served)
        entry.model.fetch(on_progress, request=request)
        entry.is_fetched = True

    def load(
        self, served: ServedModel, on_progress: Callable[[gpustack_draw.Progress], None]
    ) -> None:
        """Load a model whose files are on this machine.

        Raises:
            DrawError: It cannot be loaded.
        """
        entry = self._entry(served)
        self.use(served, ())
        try:
            entry.model.load(entry.request, on_progress)
        except BaseException:
            self.forget(served)
            raise

    def use(self, served: ServedModel, needed: Collection[str]) -> Model:
        """Count a model as used now, after unloading others beyond the limits of the options.

        Args:
            served: The model that will be drawn with.
            needed: Names of models that requests wait for, which are unloaded last.
        """
        entry = self._entry(served)
        self._loaded.pop(served, None)
        while self._is_too_much(entry):
            self.unload_one(needed)
        self._loaded[served] = None
        return entry.model

    def _is_too_much(self, entry: _Entry) -> bool:
        loaded = [self._entries[served].bytes for served in self._loaded]
        if not loaded:
            return False
        limit = self._keep
        too_many = limit.models is not None and len(loaded) + 1 > limit.models
        return too_many or (limit.bytes is not None and sum(loaded) + entry.bytes > limit.bytes)

    def unload_one(self, needed: Collection[str], but: ServedModel | None = None) -> bool:
        """Unload the model that was used least recently; return whether there was one.

        Args:
            needed: Names of models that requests wait for, which are unloaded last.
            but: The model that stays.
        """
        candidates = [served for served in self._loaded if served != but]
        candidates.sort(key=lambda served: served.name in needed)  # keeps the order of use
        if not candidates:
            return False
        self._entries[candidates[0]].model.close()
        self.forget(candidates[0])
        return True

    def forget(self, served: ServedModel) -> None:
        """Count a model as not in memory: its engine has ended."""
        self._loaded.pop(served, None)

    def cancel(self, served: ServedModel) -> None:
        """End the drawing of a model at once, from any thread."""
        entry = self._entries.get(served)
        if entry is not None:
            entry.model.cancel()

    def loaded(self) -> tuple[str, ...]:
        """Return the names of the models in memory, least recently used first."""
        return tuple(served.name for served in tuple(self._loaded))

    def close(self) -> None:
        """Unload all models."""
        for entry in tuple(self._entries.values()):
            entry.model.close()
        self._loaded.clear()

    def _entry(self, served: ServedModel) -> _Entry:
        entry = self._entries.get(served)
        if entry is not None:
            return entry
        with self._lock:
            opening = self._opening.setdefault(served, threading.Lock())
        with opening:
            entry = self._entries.get(served)
            if entry is None:
                entry = _Entry(self._load(served.reference, **self._keywords))
                if not (entry.is_fetched or served.may_fetch):
                    raise _incomplete(served)
                self._add(served, entry)
        with self._lock:
            self._opening.pop(served, None)
        return entry

    def _add(self, served: ServedModel, entry: _Entry) -> None:
        """Add a model, and forget another one where clients have named too many."""
        with self._lock:
            if self._entries:  # only the first model is loaded at once
                entry.model.close()
            self._entries[served] = entry
            named = [each for each in self._entries if each.is_named_by_client]
            surplus = [each for each in named[:-_MAX_OPEN] if each not in self._loaded]
            for each in surplus:
                del self._entries[each]


def _log_line(level: str, text: str) -> None:
    LOGGER.debug("engine: %s: %s", level, text)


def _plan_sample(model: Model) -> tuple[DrawRequest, ModelPlan]:
    """Return a request without options and its plan; with pictures for a model that needs them."""
    from PIL import Image

    request = DrawRequest(prompt="")
    try:
        return request, model.plan(request)
    except UsageError as error:
        first = error
    image = Image.new("RGB", (_SAMPLE_SIDE, _SAMPLE_SIDE), "gray")
    mask = Image.new("L", image.size, 255)
    for pictures in (
        PictureOptions(image=image),
        PictureOptions(image=image, mask=mask),
        PictureOptions(control_image=image),
    ):
        request = DrawRequest(prompt="", pictures=pictures)
        try:
            return request, model.plan(request)
        except UsageError:
            continue
    raise first


def _incomplete(served: ServedModel) -> FetchError:
    return FetchError(
        f"{quoted(served.name)} is not complete on this machine",
        hint=phrase("download it with: gpustack-draw pull {}", served.reference),
    )
