"""Keep the plan of a request from its check to its drawing."""

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from gpustack_draw.request.draw_request import DrawRequest

Plan = TypeVar("Plan")


class LastPlan(Generic[Plan]):
    """The plan of the last request, whose pictures are so prepared only once; thread-safe.

    One plan is kept at most, and no longer than its request exists.
    """

    def __init__(self) -> None:
        """Keep no plan."""
        self._last: tuple[weakref.ref[DrawRequest], Plan] | None = None

    def get(self, request: DrawRequest, make: Callable[[], Plan]) -> Plan:
        """Return the plan of a request, and keep it.

        Args:
            request: The request; an equal one has a plan of its own.
            make: Makes the plan.
        """
        last = self._last
        if last is not None and last[0]() is request:
            return last[1]
        self._last = last = None  # frees the other plan before this one takes memory
        plan = make()
        self._last = weakref.ref(request, self._expire), plan
        return plan

    def forget(self, request: DrawRequest) -> None:
        """Keep the plan of a request no longer."""
        last = self._last
        if last is not None and last[0]() is request:
            self._last = None

    def _expire(self, reference: "weakref.ref[DrawRequest]") -> None:
        last = self._last
        if last is not None and last[0] is reference:
            self._last = None
