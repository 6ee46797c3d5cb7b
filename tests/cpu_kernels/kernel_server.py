"""The interface of the extension cpu_kernels, computed by the program kernel_server.

The program may be another architecture's and run in an emulator.
"""

import ctypes
import subprocess
from collections.abc import Sequence

import numpy as np

TypedArray = tuple[np.ndarray, str]
"""An array and its ggml type."""


class KernelServer:
    """A running program that computes nodes."""

    def __init__(self, command: list[str]):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        *self._targets, self.best_target = self._ask("targets").split()

    def targets(self) -> list[str]:
        return self._targets

    def int8_targets(self) -> list[str]:
        return []

    def strassen_targets(self) -> list[str]:
        return self._ask("strassen_targets").split()

    def supports(self, operation: str, arrays: list[TypedArray], numbers: list[float]) -> bool:
        sources = _Sources(arrays)
        return self._ask(f"supports {_node(operation, numbers, sources)}", *sources.bytes()) == "1"

    def compute(
        self,
        where: str,
        operation: str,
        arrays: list[TypedArray],
        numbers: list[float],
        threads: int,
        over: int,
        cancelled: bool,
    ) -> np.ndarray:
        sources = _Sources(arrays)
        words = f"{where} {threads} {over} {cancelled:d} {_node(operation, numbers, sources)}"
        reply = self._ask(f"compute {words}", *sources.bytes()).split()
        source, dtype, shape, count = int(reply[0]), reply[1], map(int, reply[2:6]), int(reply[6])
        memory = self._read(count)
        if source < 0:
            numpy_type = {"f16": np.float16, "f32": np.float32}[dtype]
            return np.frombuffer(memory, numpy_type).reshape(tuple(shape))
        array = arrays[source][0]
        ctypes.memmove(_root(array).ctypes.data, bytes(memory), count)
        return array

    def quantize(self, numbers: np.ndarray, dtype: str) -> np.ndarray:
        numbers = np.ascontiguousarray(numbers, np.float32)
        *planes, length = numbers.shape
        rows = numbers.size // length
        count = int(self._ask(f"quantize {dtype} {length} {rows}", numbers.tobytes()))
        return np.frombuffer(self._read(count), np.uint8).reshape(*planes, count // rows)

    def dequantize(self, blocks: np.ndarray, dtype: str) -> np.ndarray:
        count = int(self._ask(f"dequantize {dtype} {blocks.nbytes}", blocks.tobytes()))
        return np.frombuffer(self._read(count * 4), np.float32).reshape(*blocks.shape[:-1], -1)

    def _ask(self, words: str, *payload: bytes) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for part in (words.encode(), b"\n", *payload):
            self._process.stdin.write(part)
        self._process.stdin.flush()
        status, _, reply = self._process.stdout.readline().decode().strip().partition(" ")
        if status != "ok":
            raise RuntimeError(reply or f"the program ended with {self._process.wait()}")
        return reply

    def _read(self, count: int) -> bytearray:
        assert self._process.stdout is not None
        return bytearray(self._process.stdout.read(count))


def _node(operation: str, numbers: Sequence[float], sources: "_Sources") -> str:
    return " ".join([operation, str(len(numbers)), *map(repr, map(float, numbers)), sources.words])


def _root(array: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class _Sources:
    """Sources of a node: views of buffers, which several of them may share."""

    def __init__(self, arrays: list[TypedArray]):
        self._buffers = list({id(root): root for root in (_root(a) for a, _ in arrays)}.values())
        buffers = [str(len(self._buffers)), *(str(buffer.nbytes) for buffer in self._buffers)]
        self.words = " ".join([*buffers, str(len(arrays)), *map(self._source, arrays)])

    def bytes(self) -> list[bytes]:
        return [ctypes.string_at(buffer.ctypes.data, buffer.nbytes) for buffer in self._buffers]

    def _source(self, typed: TypedArray) -> str:
        array, dtype = typed
        root = _root(array)
        buffer = next(i for i, one in enumerate(self._buffers) if one is root)
        offset = array.ctypes.data - root.ctypes.data
        shape, strides = list(array.shape[::-1]), list(array.strides[::-1])
        return " ".join(
            map(str, [dtype, buffer, offset, array.itemsize, len(shape), *shape, *strides])
        )
