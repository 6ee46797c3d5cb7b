"""The plan of a request is made once between its check and its drawing, and then freed."""

import gc
import weakref

from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.last_plan import LastPlan


class Plan:
    """Stands for pictures in memory."""


def test_a_plan_is_made_once_for_a_request() -> None:
    plans: LastPlan[Plan] = LastPlan()
    request = DrawRequest(prompt="a cat")
    made = plans.get(request, Plan)
    assert plans.get(request, Plan) is made
    # An equal request has its own plan: its random seed must be another one.
    assert plans.get(DrawRequest(prompt="a cat"), Plan) is not made


def test_one_plan_is_kept_and_the_other_freed_before_the_next_is_made() -> None:
    plans: LastPlan[Plan] = LastPlan()
    first, second = DrawRequest(prompt="a cat"), DrawRequest(prompt="a dog")
    kept = weakref.ref(plans.get(first, Plan))
    assert kept() is not None

    def make() -> Plan:
        assert kept() is None
        return Plan()

    plans.get(second, make)


def test_a_plan_is_freed_when_its_request_is_drawn_or_gone() -> None:
    plans: LastPlan[Plan] = LastPlan()
    request = DrawRequest(prompt="a cat")
    kept = weakref.ref(plans.get(request, Plan))
    plans.forget(DrawRequest(prompt="a cat"))
    assert kept() is not None
    plans.forget(request)
    assert kept() is None
    kept = weakref.ref(plans.get(request, Plan))
    del request
    gc.collect()
    assert kept() is None
