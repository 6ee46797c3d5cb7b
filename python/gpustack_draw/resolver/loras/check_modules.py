"""Check that the factors of a LoRA's modules fit together, as the engine multiplies them."""

from collections.abc import Mapping

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.tensor_table import sides
from gpustack_draw.resolver.loras.lora_file import LoraModule

MAX_RANK = 4096
_HINT = "use another file of the same LoRA"

_Shape = tuple[int, ...]

# Factors that belong together; of a group, one is enough.
_COMPLETE: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("down",), ("up",)),
    (("hada_w1_a",), ("hada_w1_b",), ("hada_w2_a",), ("hada_w2_b",)),
    (
        ("lokr_w1", "lokr_w1_a"),
        ("lokr_w1", "lokr_w1_b"),
        ("lokr_w2", "lokr_w2_a"),
        ("lokr_w2", "lokr_w2_b"),
    ),
)
# Factors that are multiplied with each other, in the order in which they are applied, and the core
# of a Tucker decomposition between them.
_PRODUCTS = (
    ("down", "mid", "up"),
    ("hada_w1_b", "hada_t1", "hada_w1_a"),
    ("hada_w2_b", "hada_t2", "hada_w2_a"),
    ("lokr_w1_b", "", "lokr_w1_a"),
    ("lokr_w2_b", "", "lokr_w2_a"),
)


def check_module(module: LoraModule, label: str) -> None:
    """Check one module.

    Args:
        module: The module.
        label: Name of the file in messages.

    Raises:
        ModelFileError: A factor is missing, the factors do not fit together, or a rank or an alpha
            is impossible.
    """
    present = module.tensors.keys()
    for groups in _COMPLETE:
        missing = [roles[-1] for roles in groups if present.isdisjoint(roles)]
        if missing and not present.isdisjoint(role for roles in groups for role in roles):
            raise _incomplete(module, missing[0], label)
    shapes = {role: tensor.shape for role, tensor in module.tensors.items()}
    for first, core, last in _PRODUCTS:
        if first in shapes and last in shapes:
            problem = _problem_of(shapes, first, core, last)
            if problem:
                raise _damaged(module, problem, label)
    for role in ("alpha", "scale"):
        if role in module.tensors and module.tensors[role].elements != 1:
            count = module.tensors[role].elements
            raise _damaged(module, f"has {count:,} numbers as its {role}", label)


def _problem_of(shapes: Mapping[str, _Shape], first: str, core: str, last: str) -> str:
    """Return what is wrong with a product of factors; empty if nothing is."""
    for role in (first, last):
        if len(shapes[role]) not in (2, 4):
            return f"has a factor of {len(shapes[role])} dimensions"
    rank = shapes[first][-1]
    if rank > MAX_RANK:
        return f"has the rank {rank:,}, more than {MAX_RANK:,}"
    # The last factor of a LoHa with a core is stored the other way round.
    other_rank = shapes[last][-1 if core in shapes and core != "mid" else -2]
    if rank != other_rank:
        return f"has factors of the ranks {rank:,} and {other_rank:,}"
    if core in shapes and shapes[core][2:] != (rank, rank):
        return f"has a core of {sides(shapes[core])} numbers for the rank {rank:,}"
    return ""


def _incomplete(module: LoraModule, role: str, label: str) -> ModelFileError:
    present = next(iter(module.tensors.values())).name
    return ModelFileError(
        f"{quoted(label)} is incomplete: it has {quoted(present)} without its factor"
        f" {quoted(role)}",
        hint=_HINT,
    )


def _damaged(module: LoraModule, problem: str, label: str) -> ModelFileError:
    return ModelFileError(
        f"{quoted(label)} is damaged: module {quoted(module.name)} {problem}", hint=_HINT
    )
