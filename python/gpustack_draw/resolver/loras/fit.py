"""Check that the modules of a LoRA fit a weight of a model.

The rules are those of the engine, which applies a LoRA while it draws (``forward_with_lora()`` in
its ``src/lora.hpp``, corrected by ``cpp/engine/lora_corrections.cpp``) and ends the process where
shapes differ.
"""

import math
from collections.abc import Collection, Mapping

from gpustack_draw.headers.tensor_table import sides

Shape = tuple[int, ...]
# The factors of a module by role, as shapes with the fastest dimension first. Those that are
# multiplied with each other fit together.
Factors = Mapping[str, Shape]
# Modules by the part of a weight that they change, along its outputs: part 0 of most weights, and
# others of those that only the engine joins, such as query, key and value.
Parts = Mapping[int, Factors]


def misfit_of(
    parts: Parts, weight: Shape, *, is_joined: bool = False, has_stride: bool = False
) -> str:
    """Return why modules do not fit a weight; empty if they do.

    Args:
        parts: The modules.
        weight: Shape of the weight.
        is_joined: Whether other programs keep the parts of the weight apart.
        has_stride: Whether the weight is a convolution that makes its input smaller.
    """
    if has_stride and any("mid" in part for part in parts.values()):
        return "it has a core for a convolution that makes its input smaller"
    for role, check in (("diff", _difference_misfit), ("hada_w1_a", _hadamard_misfit)):
        concerned = _with_any(parts, {role})
        if concerned and (misfit := _gap(concerned) or check(concerned.values(), weight)):
            return misfit
    for roles, check_rows in (
        ({"lokr_w1", "lokr_w1_a", "lokr_w2", "lokr_w2_a"}, _kronecker_misfit),
        ({"down"}, _low_rank_misfit),
    ):
        concerned = _with_any(parts, roles)
        if concerned and (misfit := check_rows(concerned, weight, is_joined)):
            return misfit
    return ""


def rebuilds_weight(part: Factors) -> bool:
    """Return True if the engine adds a module to the weight itself, instead of its result."""
    return "diff" in part or "hada_w1_a" in part


def _with_any(parts: Parts, roles: Collection[str]) -> dict[int, Factors]:
    return {number: part for number, part in parts.items() if any(map(part.__contains__, roles))}


def _gap(parts: Parts) -> str:
    missing = next((number for number in range(len(parts)) if number not in parts), None)
    return "" if missing is None else f"it lacks part {missing + 1} of a joined weight"


def _low_rank_misfit(parts: Parts, weight: Shape, is_joined: bool) -> str:
    if len(weight) not in (2, 4):
        return f"it has two factors for {sides(weight)} numbers"
    for part in parts.values():
        misfit = _kernel_misfit(part, weight) if len(weight) == 4 else _matrix_misfit(part, weight)
        if misfit:
            return misfit
    rows = [part["up"][-1] for part in parts.values()]
    # Parts between others that are missing change nothing. Like the others, they have as many
    # outputs as inputs.
    missing = max(parts) + 1 - len(parts)
    if not missing:
        return _rows_misfit(rows, weight, is_joined)
    are_square = set(rows) == {weight[0]} and is_joined
    fit = (are_square and sum(rows) + missing * weight[0] <= weight[-1]) or (
        sum(rows) + missing * weight[0] == weight[-1]
    )
    return "" if fit else _gap(parts)


def _matrix_misfit(part: Factors, weight: Shape) -> str:
    down, up = part["down"], part["up"]
    if not len(down) == len(up) == 2:
        return _other_shape("factors", f"{sides(down)} and {sides(up)}", weight)
    if "mid" in part:
        return "it has a core, which only convolutions have"
    return "" if down[0] == weight[0] else f"it has {down[0]:,} inputs, and the model {weight[0]:,}"


def _kernel_misfit(part: Factors, weight: Shape) -> str:
    # The engine takes a matrix for a kernel of 1x1, but not one that looks like a row to it.
    kernels = [
        (1, 1, *shape) if _is_matrix(shape) else shape for shape in (part["down"], part["up"])
    ]
    down, up = kernels
    if not len(down) == len(up) == 4:
        return _other_shape("factors", f"{sides(part['down'])} and {sides(part['up'])}", weight)
    if down[2] != weight[2]:
        return f"it has {down[2]:,} inputs, and the model {weight[2]:,}"
    kernel = part.get("mid", down)[:2]
    if kernel != weight[:2] or up[:2] != (1, 1):
        return f"it has a kernel of {sides(kernel)}, and the model one of {sides(weight[:2])}"
    return ""


def _is_matrix(shape: Shape) -> bool:
    return len(shape) == 2 and shape[1] > 1


def _rows_misfit(rows: Collection[int], weight: Shape, is_joined: bool) -> str:
    # The engine fills the outputs of missing last parts with zeros.
    lacks_parts = is_joined and sum(rows) < weight[-1] and set(rows) == {weight[0]}
    if sum(rows) == weight[-1] or lacks_parts:
        return ""
    return f"it has {sum(rows):,} outputs, and the model {weight[-1]:,}"


def _kronecker_misfit(parts: Parts, weight: Shape, is_joined: bool) -> str:
    if len(weight) not in (2, 4):
        return f"it has two factors for {sides(weight)} numbers"
    rows = []
    for part in parts.values():
        if len(weight) == 4 and "lokr_w1" not in part:
            return "it stores the first factor of a convolution in two halves"
        first = _product(part, "lokr_w1")
        second = _kernel(part, weight) if len(weight) == 4 else _product(part, "lokr_w2")
        kernel_fits = len(first) == 2 and len(second) == len(weight) and second[:-2] == weight[:-2]
        if not kernel_fits or first[0] * second[-2] != weight[-2]:
            return _other_shape("factors", f"{sides(first)} and {sides(second)}", weight)
        rows.append(first[1] * second[-1])
    return _gap(parts) or _rows_misfit(rows, weight, is_joined)


def _product(part: Factors, role: str) -> Shape:
    """Return the shape of a Kronecker factor, which may be stored in two halves."""
    return part[role] if role in part else (part[f"{role}_b"][0], part[f"{role}_a"][-1])


def _kernel(part: Factors, weight: Shape) -> Shape:
    """Return the shape of the second Kronecker factor of a convolution."""
    if "lokr_w2" in part:
        return part["lokr_w2"]
    inner, outer = part["lokr_w2_b"], part["lokr_w2_a"]
    size = math.prod(weight[:2])
    is_flat = len(inner) == len(outer) == 2 and weight[0] == weight[1] and inner[0] % size == 0
    return (*weight[:2], inner[0] // size, outer[-1]) if is_flat else (inner[0], outer[-1])


def _difference_misfit(parts: Collection[Factors], weight: Shape) -> str:
    shapes = [part["diff"] for part in parts]
    elements = sum(map(math.prod, shapes))
    if elements == math.prod(weight):
        return ""
    # The engine fills missing rows of a matrix with zeros.
    is_matrix = len(weight) == 2 and all(len(shape) == 2 for shape in shapes)
    if is_matrix and elements < math.prod(weight) and {shape[0] for shape in shapes} == {weight[0]}:
        return ""
    return _other_shape("a difference", sides(shapes[0]), weight)


def _hadamard_misfit(parts: Collection[Factors], weight: Shape) -> str:
    elements = 0
    for part in parts:
        products = {_hadamard_shape(part, number) for number in ("1", "2")}
        if len(products) != 1:
            return "its two products have different shapes"
        elements += math.prod(products.pop())
    if elements == math.prod(weight):
        return ""
    return f"its products have {elements:,} numbers, and the model {math.prod(weight):,}"


def _hadamard_shape(part: Factors, number: str) -> Shape:
    inner, outer = part[f"hada_w{number}_b"], part[f"hada_w{number}_a"]
    if f"hada_t{number}" in part:
        return (*part[f"hada_t{number}"][:2], inner[0], outer[0])
    return (math.prod(inner[:-1]), outer[-1])


def _other_shape(what: str, shape: str, weight: Shape) -> str:
    return f"it has {what} of {shape} numbers, and the model {sides(weight)}"
