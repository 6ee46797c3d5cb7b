"""The time of a drawing, from measurements or from the speed of the device."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gpustack_draw.speed.drawing_work import PhaseWork
from gpustack_draw.speed.measurements import (
    Computer,
    Measurement,
    add_measurements,
    read_measurements,
)
from gpustack_draw.units import format_seconds

# Operations of the measured matrix product.
_PRODUCT = 1e9
# How much longer the operations of a network take than those of the product, on all devices but
# FastCPU; not measured.
_SLOWER_THAN_PRODUCT = 2.5
# Encoding a prompt that takes less than this share of the usual time was not done.
_SHARE_OF_KEPT = 0.2


@dataclass(frozen=True)
class _FastCost:
    """The cost of an operation of a phase on FastCPU.

    Attributes:
        products: Seconds that grow with those of an operation of the product, as a share of them:
            convolutions need fewer multiplications than are counted.
        core_seconds: Seconds of a core for everything beside products, such as moving and
            normalizing numbers, which faster products do not shorten.
    """

    products: float
    core_seconds: float


# Measured with Stable Diffusion 1.5 and the embedded model on two cores, in times of the product:
# with AVX2, where it reaches 166 GFLOP/s, sampling takes 0.7 to 1.0 and decoding 0.3 to 0.5; with
# AMX, where it reaches 770, sampling takes 2 to 5 and decoding 1 to 3. Text encoders were not.
_FAST_COSTS = {
    "encode": _FastCost(1.0, 2e-12),
    "sample": _FastCost(0.5, 5e-12),
    "encode_pictures": _FastCost(0.2, 2.6e-12),
    "decode": _FastCost(0.2, 2.6e-12),
}


@dataclass(frozen=True, kw_only=True)
class PictureTime:
    """The estimated seconds of a picture.

    Attributes:
        load: Seconds of loading the model, before the first picture; ``None`` if unknown.
        encode: Seconds of encoding the prompt and the input pictures.
        sample: Seconds of all sampling steps.
        decode: Seconds of decoding.
        operations: Floating-point operations of the picture, counted from the headers of the model.
        is_measured: True if a drawing with this model was measured on this machine; False for a
            first guess.
    """

    load: float | None
    encode: float
    sample: float
    decode: float
    operations: float
    is_measured: bool

    @property
    def picture(self) -> float:
        """Seconds of a picture, without loading the model."""
        return self.encode + self.sample + self.decode

    def describe(self) -> str:
        """Write the time as a plan shows it."""
        load = f", {format_seconds(self.load)} to load the model" if self.load else ""
        source = "measured on this machine" if self.is_measured else "first guess"
        return f"about {format_seconds(self.picture)} a picture{load} ({source})"


def estimate_time(
    work: Sequence[PhaseWork], computer: Computer, measure_product: Callable[[], float]
) -> PictureTime | None:
    """Estimate the time of a drawing.

    The seconds of a phase are those of the same network with the nearest work, scaled; else of
    another network, else of a matrix product.

    Args:
        work: The phases.
        computer: Where they are computed.
        measure_product: Returns the operations per second of the device, 0 if unknown; called if
            a phase was never measured there.

    Returns:
        The time; ``None`` if the speed of the device is unknown.
    """
    known = [each for each in read_measurements() if each.is_of(computer)]
    measured_phases = {each.phase for each in known}
    phases = {each.phase for each in work if each.operations and each.phase != "load"}
    if "product" not in measured_phases and not phases <= measured_phases:
        speed = measure_product()
        if speed > 0:
            product = _product_measurement(computer, speed)
            add_measurements([product])
            known.append(product)
    seconds = dict.fromkeys(("load", "encode", "sample", "decode"), 0.0)
    is_measured = True
    for each in work:
        measured = _measured_as(each, known)
        estimated = _seconds_of(each, measured or _guessed_from(each, known), computer)
        if estimated is None and each.phase != "load":
            return None
        name = "encode" if each.phase == "encode_pictures" else each.phase
        seconds[name] += math.nan if estimated is None else estimated
        is_measured &= bool(measured) or each.phase != "sample"
    load = seconds.pop("load")
    return PictureTime(
        load=None if math.isnan(load) else load,
        encode=seconds["encode"],
        sample=seconds["sample"],
        decode=seconds["decode"],
        operations=sum(each.units * each.operations for each in work if each.phase != "load"),
        is_measured=is_measured,
    )


def record_time(
    work: Sequence[PhaseWork], computer: Computer, seconds: Mapping[str, float]
) -> None:
    """Keep the seconds that the phases of a drawing took.

    A phase that was done twice, as in a drawing of two passes, is not kept, and neither is the
    encoding of a prompt whose result the engine still had.

    Args:
        work: The phases.
        computer: Where they were computed.
        seconds: Seconds by phase; phases that were not necessary are missing.
    """
    phases = [each.phase for each in work]
    known = [each for each in read_measurements() if each.is_of(computer)]
    new = [
        Measurement(
            device=computer.device,
            threads=computer.threads,
            phase=each.phase,
            network=each.network,
            variant=each.variant,
            operations=each.operations,
            seconds=seconds[each.phase] / each.units,
        )
        for each in work
        if phases.count(each.phase) == 1 and seconds.get(each.phase) and each.operations
    ]
    add_measurements(each for each in new if not _is_kept_result(each, known))


def _is_kept_result(new: Measurement, known: Iterable[Measurement]) -> bool:
    return new.phase == "encode" and any(
        new.seconds < _SHARE_OF_KEPT * each.seconds
        for each in known
        if (each.phase, each.network) == (new.phase, new.network)
    )


def _product_measurement(computer: Computer, speed: float) -> Measurement:
    return Measurement(
        device=computer.device,
        threads=computer.threads,
        phase="product",
        network="",
        variant="",
        operations=_PRODUCT,
        seconds=_PRODUCT / speed,
    )


def _measured_as(work: PhaseWork, known: Iterable[Measurement]) -> list[Measurement]:
    """Return the measurements of the same network."""
    wanted = (work.phase, work.network, work.variant)
    return [each for each in known if (each.phase, each.network, each.variant) == wanted]


def _guessed_from(work: PhaseWork, known: Sequence[Measurement]) -> list[Measurement]:
    """Return the measurements of the nearest kind: of another network, or of the product."""
    of_phase = [each for each in known if each.phase == work.phase]
    of_network = [each for each in of_phase if each.network == work.network]
    if of_network or of_phase:
        return of_network or of_phase
    return [] if work.phase == "load" else [each for each in known if each.phase == "product"]


def _seconds_of(
    work: PhaseWork, measurements: Sequence[Measurement], computer: Computer
) -> float | None:
    """Return the seconds of all units of a phase, from measurements of other amounts of work."""
    if not work.operations:
        return 0.0
    if not measurements:
        return None
    smaller = [each for each in measurements if each.operations <= work.operations]
    larger = [each for each in measurements if each.operations >= work.operations]
    below = max(smaller, key=lambda each: each.operations, default=None)
    above = min(larger, key=lambda each: each.operations, default=None)
    if below is None or above is None or below.operations == above.operations:
        nearest = below or above
        assert nearest is not None
        if nearest.phase == "product":
            return work.units * work.operations * _guess(nearest, work.phase, computer)
        return work.units * nearest.seconds * work.operations / nearest.operations
    # Straight between the two on logarithmic axes.
    share = math.log(work.operations / below.operations)
    share /= math.log(above.operations / below.operations)
    return work.units * below.seconds * math.pow(above.seconds / below.seconds, share)


def _guess(product: Measurement, phase: str, computer: Computer) -> float:
    """Return the seconds of an operation of a phase that was never measured."""
    of_product = product.seconds / product.operations
    if not computer.is_fast_cpu:
        return _SLOWER_THAN_PRODUCT * of_product
    cost = _FAST_COSTS[phase]
    return cost.products * of_product + cost.core_seconds / max(1, computer.threads)
