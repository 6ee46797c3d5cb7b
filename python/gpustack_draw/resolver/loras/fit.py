"""Check that the modules of a LoRA fit a weight of a model.

The rules are those of the engine, which applies a LoRA while it draws (``forward_with_lora()`` in
its ``src/lora.hpp``) and ends the process where shapes differ.
"""

import math
from collections.abc import Mapping, Sequence

from gpustack_draw.headers.tensor_table import sides

Shape = tuple[int, ...]
# The factors of a module by role, as shapes with the fastest dimension first.
Factors = Mapping[str, Shape]


def misfit_of(parts: Sequence[Factors], weight: Shape) -> str:
    """Return why modules do not fit a weight; empty if they do.

    Args:
        parts: The modules for the parts of the weight, in their order along its outputs; a single
            one for a weight that is not fused.
        weight: Shape of the weight.
    """
    for roles, check in (
        (("down",), _low_rank_misfit),
        (("lokr_w1", "lokr_w1_a", "lokr_w2", "lokr_w2_a"), _kronecker_misfit),
        (("diff",), _difference_misfit),
        (("hada_w1_a",), _hadamard_misfit),
    ):
        concerned = [part for part in parts if any(role in part for role in roles)]
        if concerned and (misfit := check(concerned, weight)):
            return misfit
    if any("alpha" in part and "scale" not in part and _has_rank_1(part) for part in parts):
        # The engine drops dimensions of 1, and takes the number of inputs for the rank.
        return "it has an alpha for the rank 1, which the engine reads wrongly"
    return ""


def _has_rank_1(part: Factors) -> bool:
    return any(part[role][-1] == 1 for role in ("down", "hada_w1_b") if role in part)


def _low_rank_misfit(parts: Sequence[Factors], weight: Shape) -> str:
    if len(weight) not in (2, 4):
        return f"it has two factors for {sides(weight)} numbers"
    is_convolution = len(weight) == 4
    for part in parts:
        down, up = part["down"], part["up"]
        if not len(down) == len(up) == len(weight):
            return _other_shape("factors", f"{sides(down)} and {sides(up)}", weight)
        inputs, needed = (down[2], weight[2]) if is_convolution else (down[0], weight[0])
        if inputs != needed:
            return f"it has {inputs:,} inputs, and the model {needed:,}"
        kernel = part.get("mid", down)[:2] if is_convolution else ()
        if is_convolution and (kernel != weight[:2] or up[:2] != (1, 1)):
            return f"it has a kernel of {sides(kernel)}, and the model one of {sides(weight[:2])}"
        if not is_convolution and "mid" in part:
            return "it has a core, which only convolutions have"
    return _rows_misfit([part["up"][-1] for part in parts], weight)


def _rows_misfit(rows: Sequence[int], weight: Shape) -> str:
    if sum(rows) == weight[-1]:
        return ""
    if len(rows) > 1 or weight[-1] % rows[0] == 0:
        return f"it changes {sum(rows):,} of the {weight[-1]:,} outputs, which the engine cannot do"
    return f"it has {sum(rows):,} outputs, and the model {weight[-1]:,}"


def _kronecker_misfit(parts: Sequence[Factors], weight: Shape) -> str:
    rows = []
    for part in parts:
        # The engine multiplies the halves of a factor in the wrong order.
        if "lokr_w1" not in part or "lokr_w2" not in part:
            return "it stores a Kronecker factor in two halves, which the engine does not apply"
        first, second = part["lokr_w1"], part["lokr_w2"]
        if len(weight) not in (2, 4) or len(first) != 2 or len(second) != len(weight):
            return _other_shape("factors", f"{sides(first)} and {sides(second)}", weight)
        kernel = second[:-2]
        if kernel != weight[:-2] or first[0] * second[-2] != weight[-2]:
            return _other_shape("factors", f"{sides(first)} and {sides(second)}", weight)
        rows.append(first[1] * second[-1])
    return _rows_misfit(rows, weight)


def _difference_misfit(parts: Sequence[Factors], weight: Shape) -> str:
    shapes = [part["diff"] for part in parts]
    elements = sum(map(math.prod, shapes))
    if elements == math.prod(weight):
        return ""
    # The engine fills missing rows of a matrix with zeros.
    is_matrix = len(weight) == 2 and all(len(shape) == 2 for shape in shapes)
    if is_matrix and elements < math.prod(weight) and {shape[0] for shape in shapes} == {weight[0]}:
        return ""
    return _other_shape("a difference", sides(shapes[0]), weight)


def _hadamard_misfit(parts: Sequence[Factors], weight: Shape) -> str:
    elements = 0
    for part in parts:
        products = {
            _hadamard_shape(part, number) for number in ("1", "2") if f"hada_w{number}_b" in part
        }
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
