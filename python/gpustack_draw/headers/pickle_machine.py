"""A stack machine that interprets a PyTorch pickle without importing or calling anything.

It follows the engine (its ``src/model_io/pickle_io.cpp``), which understands only the constructors
of tensors and ordered dictionaries.
"""

import math
from typing import Any

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.pickle_values import (
    Global,
    Group,
    PickledTensor,
    Storage,
    are_counts,
    copy_value,
    count_values,
    is_count,
)
from gpustack_draw.headers.tensor_table import MAX_DIMENSIONS, damaged

CONVERT_HINT = "convert it to safetensors, or use a GGUF file of the same model"
# The engine copies a value, at about 500 bytes, each time the pickle refers to it, so that a short
# pickle could fill the memory. 8,000 tensors need about 800,000 values.
MAX_VALUES = 1_500_000
MAX_DEPTH = 100

# Type and bytes per element of each storage class.
_STORAGES: dict[str, tuple[str, int]] = {
    "torch.FloatStorage": ("F32", 4),
    "torch.DoubleStorage": ("F64", 8),
    "torch.HalfStorage": ("F16", 2),
    "torch.BFloat16Storage": ("BF16", 2),
    "torch.IntStorage": ("I32", 4),
    "torch.LongStorage": ("I64", 8),
}
_TENSOR_CONSTRUCTORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
_ORDERED_DICTIONARY = "collections.OrderedDict"
# Attacks use these modules and functions; models do not.
_FORBIDDEN_MODULES = frozenset(
    ("os", "posix", "nt", "subprocess", "sys", "runpy", "importlib", "socket", "shutil", "pty")
)
_FORBIDDEN_BUILTINS = frozenset(
    ("eval", "exec", "execfile", "compile", "open", "getattr", "__import__")
)


def unreadable(label: str, why: str) -> ModelFileError:
    """Build the error for a checkpoint that PyTorch may read, but not the engine."""
    return ModelFileError(
        f"{quoted(label)} is a PyTorch checkpoint that the engine does not read: {why}",
        hint=CONVERT_HINT,
    )


def too_large(label: str) -> ModelFileError:
    """Build the error for a pickle that is larger than that of any model."""
    return damaged(label, "its description of the tensors is larger than that of any model")


_MARK = object()


class PickleMachine:
    """Interprets the operations of a pickle as the engine does.

    Attributes:
        storage_bytes: Size in bytes of each storage found so far, by key.
    """

    def __init__(self, label: str) -> None:
        """Create an empty stack; ``label`` is the name of the file in messages."""
        self.storage_bytes: dict[str, int] = {}
        self._foreign = ""
        self._label = label
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._values = 0

    def step(self, name: str, argument: Any) -> None:
        """Execute an operation.

        Args:
            name: Name of the operation in ``pickletools``.
            argument: Its argument; ``None`` if it has none.

        Raises:
            ModelFileError: The pickle is damaged, malicious or too large, or holds more than
                tensors.
        """
        if name in _ARGUMENTS:
            self._push(argument.decode("latin-1") if isinstance(argument, bytes) else argument)
        elif name in _CONSTANTS:
            self._push(_CONSTANTS[name])
        elif name in _EMPTY_GROUPS:
            self._push(Group(_EMPTY_GROUPS[name]))
        elif name in _ACTIONS:
            getattr(self, _ACTIONS[name])(argument)
        elif name not in _IGNORED:
            raise unreadable(self._label, f"it holds more than tensors (operation {name})")

    def top(self) -> Any:
        """Return the topmost value: the result, once all operations have been executed."""
        if not self._stack:
            raise self._damaged()
        return self._stack[-1]

    @property
    def made_with(self) -> str:
        """Suffix for messages: the first function of another package that is called; or empty."""
        return f", made with {quoted(self._foreign)}" if self._foreign else ""

    def _pop(self, _argument: object = None) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise self._damaged()
        return self._stack.pop()

    def _pop_mark(self, _argument: object = None) -> list[Any]:
        """Remove the topmost mark and the values above it, and return these."""
        for index in range(len(self._stack) - 1, -1, -1):
            if self._stack[index] is _MARK:
                items = self._stack[index + 1 :]
                del self._stack[index:]
                return items
        raise self._damaged()

    def _mark(self, _argument: object) -> None:
        self._push(_MARK)

    def _duplicate(self, _argument: object) -> None:
        self._push(copy_value(self.top()))

    def _put(self, index: int) -> None:
        self._memo[index] = copy_value(self.top())
        self._count(self._memo[index])

    def _memoize(self, _argument: object) -> None:
        self._put(len(self._memo))

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise self._damaged()
        self._push(copy_value(self._memo[index]))

    def _name_global(self, text: str) -> None:
        self._push_global(text.replace(" ", ".", 1))

    def _stack_global(self, _argument: object) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise self._damaged()
        self._push_global(f"{module}.{name}")

    def _make_tuple(self, _argument: object) -> None:
        self._push_group("tuple", self._pop_mark())

    def _make_list(self, _argument: object) -> None:
        self._push_group("list", self._pop_mark())

    def _tuple_1(self, _argument: object) -> None:
        self._push_group("tuple", [self._pop()])

    def _tuple_2(self, _argument: object) -> None:
        second, first = self._pop(), self._pop()
        self._push_group("tuple", [first, second])

    def _tuple_3(self, _argument: object) -> None:
        third, second, first = self._pop(), self._pop(), self._pop()
        self._push_group("tuple", [first, second, third])

    def _append(self, _argument: object) -> None:
        item = self._pop()
        self._group("list").add(item)
        self._check_depth(self.top())

    def _append_all(self, _argument: object) -> None:
        items = self._pop_mark()
        group = self._group("list")
        for item in items:
            group.add(item)
        self._check_depth(group)

    def _set_item(self, _argument: object) -> None:
        value, key = self._pop(), self._pop()
        self._group("dictionary").add((key, value))
        self._check_depth(self.top())

    def _set_items(self, _argument: object) -> None:
        items = self._pop_mark()
        group = self._group("dictionary")
        if len(items) % 2:
            raise self._damaged()
        for key, value in zip(items[::2], items[1::2], strict=True):
            group.add((key, value))
        self._check_depth(group)

    def _persistent(self, _argument: object) -> None:
        """Push the storage that a tuple describes."""
        group = self._pop()
        items = group.items if isinstance(group, Group) and group.type == "tuple" else []
        if len(items) < 5 or items[0] != "storage" or not isinstance(items[1], Global):
            raise self._damaged()
        storage_class, key, count = items[1].name, items[2], items[4]
        if not isinstance(key, str) or not key or not is_count(count):
            raise self._damaged()
        if storage_class not in _STORAGES:
            raise unreadable(self._label, f"it stores tensors as {quoted(storage_class)}")
        element_type, element_bytes = _STORAGES[storage_class]
        self.storage_bytes[key] = count * element_bytes
        self._push(Storage(element_type, element_bytes, key))

    def _reduce(self, _argument: object) -> None:
        arguments, function = self._pop(), self._pop()
        result: Any = None
        if isinstance(function, Global):
            items = arguments.items if isinstance(arguments, Group) else []
            if function.name == _ORDERED_DICTIONARY and not items:
                result = Group("dictionary")
            elif function.name in _TENSOR_CONSTRUCTORS:
                result = self._tensor(items)
            elif not self._foreign and not function.name.startswith(("torch.", "collections.")):
                self._foreign = function.name
        self._push(result)

    def _build(self, _argument: object) -> None:
        self._pop()
        self.top()

    def _tensor(self, items: list[Any]) -> PickledTensor | None:
        if len(items) < 4 or not isinstance(items[0], Storage) or not is_count(items[1]):
            return None
        storage, first, shape, strides = items[:4]
        if not are_counts(shape) or not are_counts(strides):
            return None
        if len(shape.items) != len(strides.items) or len(shape.items) > MAX_DIMENSIONS:
            raise self._damaged()
        expected = 1
        for side, stride in zip(reversed(shape.items), reversed(strides.items), strict=True):
            if stride != expected and math.prod(shape.items):
                raise unreadable(self._label, "it stores a transposed tensor or one with gaps")
            expected *= side
        size = math.prod(shape.items) * storage.element_bytes
        offset = first * storage.element_bytes
        return PickledTensor(storage.type, tuple(shape.items), storage.key, offset, size)

    def _group(self, group_type: str) -> Group:
        group = self.top()
        if group is None:  # the result of an unknown function
            raise unreadable(self._label, f"it holds more than tensors{self.made_with}")
        if not isinstance(group, Group) or group.type != group_type:
            raise self._damaged()
        return group

    def _push_global(self, name: str) -> None:
        module, _, attribute = name.rpartition(".")
        root = module.partition(".")[0]
        is_builtin = root in {"builtins", "__builtin__"} and attribute in _FORBIDDEN_BUILTINS
        if root in _FORBIDDEN_MODULES or is_builtin:
            raise ModelFileError(
                f"{quoted(self._label)} is malicious: it would run {quoted(name)} if PyTorch"
                " opened it",
                hint="delete it, and get the model from a source that you trust",
            )
        self._push(Global(name))

    def _push_group(self, group_type: str, items: list[Any]) -> None:
        group = Group(group_type)
        for item in items:
            group.add(item)
        self._check_depth(group)
        self._push(group)

    def _push(self, value: object) -> None:
        self._stack.append(value)
        self._count(value)

    def _count(self, value: object) -> None:
        self._values += count_values(value)
        if self._values > MAX_VALUES:
            raise too_large(self._label)

    def _check_depth(self, group: Group) -> None:
        if group.depth > MAX_DEPTH:
            raise too_large(self._label)

    def _damaged(self) -> ModelFileError:
        return damaged(self._label, "its description of the tensors cannot be read")


# Operations that push their argument, by the names of ``pickletools``.
_ARGUMENTS = frozenset(
    (
        "INT",
        "LONG",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
    )
)
_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "FLOAT": None,  # no description of a tensor contains fractions
    "BINFLOAT": None,
}
_EMPTY_GROUPS = {
    "EMPTY_DICT": "dictionary",
    "EMPTY_LIST": "list",
    "EMPTY_SET": "list",
    "EMPTY_TUPLE": "tuple",
}
_IGNORED = frozenset(("PROTO", "FRAME", "STOP"))

_ACTIONS: dict[str, str] = {
    "MARK": "_mark",
    "POP": "_pop",
    "POP_MARK": "_pop_mark",
    "DUP": "_duplicate",
    "BINPUT": "_put",
    "LONG_BINPUT": "_put",
    "MEMOIZE": "_memoize",
    "BINGET": "_get",
    "LONG_BINGET": "_get",
    "GLOBAL": "_name_global",
    "STACK_GLOBAL": "_stack_global",
    "TUPLE": "_make_tuple",
    "TUPLE1": "_tuple_1",
    "TUPLE2": "_tuple_2",
    "TUPLE3": "_tuple_3",
    "LIST": "_make_list",
    "FROZENSET": "_make_list",
    "APPEND": "_append",
    "APPENDS": "_append_all",
    "ADDITEMS": "_append_all",
    "SETITEM": "_set_item",
    "SETITEMS": "_set_items",
    "BINPERSID": "_persistent",
    "REDUCE": "_reduce",
    "BUILD": "_build",
}
