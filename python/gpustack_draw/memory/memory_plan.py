"""The memory of a drawing, phase by phase, beside the memory that is free."""

from dataclasses import dataclass

from gpustack_draw.memory.work import AS_IS, MemoryChoices


@dataclass(frozen=True, kw_only=True)
class PhaseBytes:
    """Estimated bytes of a drawing.

    Attributes:
        base: The program itself and its buffers.
        weights: Weights of the model and of what is added to it.
        inputs: Input pictures, which stay in memory.
        text: Encoding the prompt.
        sampling: The sampling steps.
        decoding: Decoding the picture, or encoding an input picture, which needs as much.
    """

    base: int
    weights: int
    inputs: int = 0
    text: int = 0
    sampling: int = 0
    decoding: int = 0

    @property
    def peak(self) -> int:
        """The largest sum at any time: the phases follow each other."""
        phases = max(self.text, self.sampling, self.decoding)
        return self.base + self.weights + self.inputs + phases

    def __add__(self, other: "PhaseBytes") -> "PhaseBytes":
        """Return the bytes of two devices that draw together."""
        mine, others = vars(self), vars(other)
        return PhaseBytes(**{name: count + others[name] for name, count in mine.items()})


NOTHING = PhaseBytes(base=0, weights=0)


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """How a drawing fits into the memory.

    Attributes:
        needed: Memory of the device that computes.
        free_bytes: Free memory of that device, the weights of a loaded model included; ``None`` if
            the system does not report it.
        host_needed: Memory of the machine that a drawing on a GPU needs beside it.
        host_free_bytes: Free memory of the machine, likewise; ``None`` on a CPU, too.
        choices: How it is made to fit.
        notes: A sentence for the choices that the user did not make.
    """

    needed: PhaseBytes
    free_bytes: int | None
    host_needed: PhaseBytes = NOTHING
    host_free_bytes: int | None = None
    choices: MemoryChoices = AS_IS
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool | None:
        """True if the picture can be drawn; ``None`` if the free memory is unknown."""
        if self.free_bytes is None:
            return None
        return self.needed.peak <= self.free_bytes and self.fits_host

    @property
    def fits_host(self) -> bool:
        """False if the machine has too little memory beside that of a GPU."""
        return self.host_free_bytes is None or self.host_needed.peak <= self.host_free_bytes
