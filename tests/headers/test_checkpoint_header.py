"""PyTorch checkpoints: the header is read, nothing is executed or trusted."""

import struct
import zipfile
from pathlib import Path

import checkpoint_files as checkpoints
import model_files as files
import numpy as np
import pytest
from checkpoint_files import dictionary, number, numbers, pickled, state_dict, tensor, text
from split_model import tensor_data

import gpustack_draw
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.errors import BlankPictureError, ModelFileError
from gpustack_draw.headers.header import ModelHeader, TensorInfo, read_model_header

AGAIN = "download or copy it again"
CONVERT = "convert it to safetensors, or use a GGUF file of the same model"
DAMAGED = "'x.ckpt' is damaged: "
UNREAD = "'x.ckpt' is a PyTorch checkpoint that the engine does not read: "
UNREADABLE = DAMAGED + "its description of the tensors cannot be read"
TOO_LARGE = DAMAGED + "its description of the tensors is larger than that of any model"
TENSORS: files.Tensors = {
    "model.diffusion_model.input_blocks.0.0.weight": ((3, 3, 4, 8), "F16"),
    "model.diffusion_model.out.2.bias": ((4,), "F32"),
    "cond_stage_model.position_ids": ((77, 1), "I64"),
    "model_ema.decay": ((), "F32"),
    "betas": ((10,), "F64"),
    "first_stage_model.quant_conv.weight": ((1, 1, 8, 8), "BF16"),
}
ONE: files.Tensors = {"a.weight": ((4, 3), "F32")}


def read(folder: Path, data: bytes) -> ModelHeader:
    path = folder / "x.ckpt"
    path.write_bytes(data)
    return read_model_header(path, label="x.ckpt")


def error_of(folder: Path, data: bytes) -> tuple[str, str]:
    with pytest.raises(ModelFileError) as caught:
        read(folder, data)
    return caught.value.message, caught.value.hint


def archive(pickle: bytes, **entries: bytes) -> bytes:
    """Write an archive with a pickle and the data of one tensor of 48 bytes."""
    return checkpoints.zip_bytes(
        {"archive/data.pkl": pickle, "archive/data/0": bytes(48), **entries}
    )


@pytest.mark.parametrize("write", [checkpoints.checkpoint_bytes, checkpoints.legacy_bytes])
def test_both_formats_are_read(tmp_path: Path, write: object) -> None:
    data = write(TENSORS)  # type: ignore[operator]
    header = read(tmp_path, data)
    assert (header.format, header.file_bytes) == ("checkpoint", len(data))
    assert list(header.tensors) == list(TENSORS)
    for name, (shape, tensor_type) in TENSORS.items():
        found = header.tensors[name]
        assert (found.shape, found.type) == (tuple(shape) or (1,), tensor_type)
    assert header.tensors["betas"] == TensorInfo("betas", (10,), "F64", 80)


def test_other_values_beside_the_tensors_are_ignored(tmp_path: Path) -> None:
    # As PyTorch Lightning writes it: the state in a dictionary beside counters and NumPy scalars.
    scalar = (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n("
        + text("f8")
        + b"K\x00K\x01tR("
        + (b"K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
        + b"C\x08"
        + bytes(8)
        + b"tR"
    )
    whole = dictionary(
        {
            "epoch": number(3),
            "global_step": number(470_000),
            "loss": scalar,
            "rates": b"](G" + struct.pack(">d", 0.5) + b"\x88Ne",
            "optimizer_states": b"]",
            "state_dict": state_dict(ONE),
        }
    )
    assert list(read(tmp_path, archive(pickled(whole))).tensors) == ["a.weight"]


def test_a_pickle_of_protocol_4(tmp_path: Path) -> None:
    body = state_dict(ONE).replace(
        b"ctorch\nFloatStorage\n", b"\x8c\x05torch\x8c\x0cFloatStorage\x93"
    )
    framed = b"\x80\x04\x95" + struct.pack("<Q", len(body) + 1) + body + b"."
    assert list(read(tmp_path, archive(framed)).tensors) == ["a.weight"]


def test_tensors_that_share_a_storage(tmp_path: Path) -> None:
    half = tensor("F32", "0", [4, 3])
    other = half.replace(number(12) + b"tQ" + number(0), number(12) + b"tQ" + number(6))
    other = other.replace(numbers([4, 3]), numbers([2, 3]))
    header = read(tmp_path, archive(pickled(dictionary({"a": half, "b": other}))))
    assert (header.tensors["b"].shape, header.tensors["b"].bytes) == ((3, 2), 24)


def test_tensors_larger_than_their_file_are_refused(tmp_path: Path) -> None:
    # Tensors that share a storage could expand megabytes to gigabytes.
    whole = tensor("F32", "0", [100, 100])
    items = {f"blocks.{index}.a": whole for index in range(10)}
    data = archive(pickled(dictionary(items)), **{"archive/data/0": bytes(40_000)})
    assert error_of(tmp_path, data) == (
        f"{DAMAGED}its tensors take 400,000 bytes, the file has {len(data):,}",
        AGAIN,
    )


def call(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode() + b"(" + text("touch pwned") + b"tR"


MALICIOUS: dict[str, tuple[bytes, str]] = {
    "os.system": (dictionary({"a": call("os", "system")}), "os.system"),
    "posix.system": (dictionary({"a": call("posix", "system")}), "posix.system"),
    "subprocess.Popen": (dictionary({"a": call("subprocess", "Popen")}), "subprocess.Popen"),
    "eval": (dictionary({"a": call("builtins", "eval")}), "builtins.eval"),
    "exec of Python 2": (dictionary({"a": call("__builtin__", "exec")}), "__builtin__.exec"),
    "from the stack": (text("os") + text("system") + b"\x93(" + text("ls") + b"tR", "os.system"),
    "beside a model": (dictionary({"b": call("os", "popen")}) + b"0" + state_dict(ONE), "os.popen"),
}


@pytest.mark.parametrize(("body", "function"), MALICIOUS.values(), ids=MALICIOUS)
def test_a_malicious_pickle_is_refused(
    tmp_path: Path, body: bytes, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = (
        f"'x.ckpt' is malicious: it would run '{function}' if PyTorch opened it",
        "delete it, and get the model from a source that you trust",
    )
    assert error_of(tmp_path, archive(pickled(body))) == expected
    legacy = checkpoints.LEGACY_START + pickled(body) + pickled(b"]")
    assert error_of(tmp_path, legacy) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["x.ckpt"]


# Pickles that the engine's own reader refuses, with this reader's messages.
UNREAD_PICKLES: dict[str, tuple[bytes, str]] = {
    # pickletools warns of such text, which pytest would turn into an error.
    "an invalid escape sequence": (b"S'\\q'\n", "it holds no dictionary of tensors"),
    "bytes": (
        dictionary({"a": tensor("U8", "0", [4, 3])}),
        "it stores tensors as 'torch.ByteStorage'",
    ),
    "transposed": (
        dictionary({"a": tensor("F32", "0", [4, 3], [1, 4])}),
        "it stores a transposed tensor or one with gaps",
    ),
    "a module": (
        b"ctorch.nn.modules.linear\nLinear\n)\x81}b",
        "it holds more than tensors (operation NEWOBJ)",
    ),
    "five dimensions": (
        dictionary({"a": tensor("F32", "0", [1, 1, 1, 4, 3])}),
        "tensor 'a' has 5 dimensions",
    ),
    "parameters": (
        dictionary(
            {"a": b"ctorch._utils\n_rebuild_parameter\n(" + tensor("F32", "0", [4]) + b"\x88tR"}
        ),
        "it holds no dictionary of tensors",
    ),
    "a list of tensors": (
        b"](" + tensor("F32", "0", [4]) + b"e",
        "it holds no dictionary of tensors",
    ),
    "of another package": (
        dictionary({"a": b"ctorchao.dtypes\nAffineQuantizedTensor\n(NtR"}),
        "it holds no dictionary of tensors, made with 'torchao.dtypes.AffineQuantizedTensor'",
    ),
    "a dictionary of another package": (
        b"cbox\nBox\n)R(" + text("a") + tensor("F32", "0", [4]) + b"u",
        "it holds more than tensors, made with 'box.Box'",
    ),
    "protocol 0": (b"(dp0\n", "it holds more than tensors (operation DICT)"),
}


@pytest.mark.parametrize(("body", "why"), UNREAD_PICKLES.values(), ids=UNREAD_PICKLES)
def test_a_pickle_that_the_engine_does_not_read(tmp_path: Path, body: bytes, why: str) -> None:
    assert error_of(tmp_path, archive(pickled(body))) == (UNREAD + why, CONVERT)


def deep(levels: int) -> bytes:
    return b")" + b"\x85" * levels


HOSTILE_PICKLES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", UNREADABLE),
    "truncated": (pickled(state_dict(ONE))[:-40], UNREADABLE),
    "random": (bytes(range(256)), UNREADABLE),
    "nothing on the stack": (pickled(b""), UNREADABLE),
    "tuple without a mark": (pickled(b"t"), UNREADABLE),
    "more pops than values": (pickled(b"N00"), UNREADABLE),
    "missing memo": (pickled(b"h\x05"), UNREADABLE),
    "storage of nothing": (pickled(b"NQ"), UNREADABLE),
    "storage of a negative size": (
        pickled(checkpoints.storage("F32", "0", 4).replace(number(4), b"J\xff\xff\xff\xff")),
        UNREADABLE,
    ),
    "item of no dictionary": (pickled(b"]NNs"), UNREADABLE),
    "key without a value": (pickled(b"}(Nu"), UNREADABLE),
    "a global that is not text": (pickled(b"NN\x93"), UNREADABLE),
    "a length past the end": (b"\x80\x02X\xff\xff\xff\x7fabc.", UNREADABLE),
    "a length past all memory": (b"\x80\x04\x8d" + b"\xff" * 8 + b".", UNREADABLE),
    "a number of 5,000 digits": (b"\x80\x02L" + b"9" * 5000 + b"L\n.", UNREADABLE),
    "shape of 1,000 numbers": (
        pickled(dictionary({"a": tensor("F32", "0", [1] * 1000)})),
        UNREADABLE,
    ),
    "deep": (pickled(deep(101)), TOO_LARGE),
    "deeper than the recursion limit": (pickled(deep(1_000_000)), TOO_LARGE),
    # The engine copies, so each step doubles the number of values: 2^90.
    "a billion laughs": (pickled(b")" + b"2\x86" * 90), TOO_LARGE),
    "a long text copied many times": (
        pickled(text("a" * 100_000) + b"q\x00" + b"h\x00" * 100_000),
        TOO_LARGE,
    ),
    "a list that copies itself": (pickled(b"](" + b"N" * 1000 + b"e" + b"2" * 10_000), TOO_LARGE),
    "a huge memo": (pickled(b"N" + b"\x94" * 1_600_000), TOO_LARGE),
    "endless operations": (pickled(b"N0" * 1_200_000), TOO_LARGE),
}


@pytest.mark.parametrize(("pickle", "message"), HOSTILE_PICKLES.values(), ids=HOSTILE_PICKLES)
def test_a_hostile_pickle(tmp_path: Path, pickle: bytes, message: str) -> None:
    assert error_of(tmp_path, archive(pickle)) == (message, AGAIN)


def entries(**more: bytes) -> dict[str, bytes]:
    return {**checkpoints.checkpoint_entries(ONE), **more}


WHOLE = checkpoints.zip_bytes(entries())
END = WHOLE.rindex(b"PK\x05\x06")
ENTRY = WHOLE.index(b"PK\x01\x02")


def patched(offset: int, data: bytes) -> bytes:
    return WHOLE[:offset] + data + WHOLE[offset + len(data) :]


HOSTILE_ARCHIVES: dict[str, tuple[bytes, str, str]] = {
    "junk": (
        b"PK\x03\x04junk",
        "'x.ckpt' is truncated: the directory at its end is missing",
        AGAIN,
    ),
    "truncated": (
        WHOLE[: len(WHOLE) // 2],
        "'x.ckpt' is truncated: the directory at its end is missing",
        AGAIN,
    ),
    "no pickle": (
        checkpoints.zip_bytes({"a": b""}),
        "'x.ckpt' is a zip archive",
        "unpack it first",
    ),
    "empty": (
        checkpoints.zip_bytes({}).replace(b"PK\x05\x06", b"PK\x03\x04\0\0PK\x05\x06"),
        "'x.ckpt' is a zip archive",
        "unpack it first",
    ),
    "NumPy": (checkpoints.zip_bytes({"a.npy": b""}), "'x.ckpt' is a NumPy archive", CONVERT),
    "two pickles": (
        checkpoints.zip_bytes({"a/data.pkl": b"", "b/data.pkl": b""}),
        DAMAGED + "it has several data.pkl entries",
        AGAIN,
    ),
    "TorchScript": (
        checkpoints.zip_bytes(entries(**{"archive/constants.pkl": b""})),
        UNREAD + "it is a TorchScript program",
        CONVERT,
    ),
    "no data": (
        checkpoints.zip_bytes({"archive/data.pkl": pickled(state_dict(ONE))}),
        DAMAGED + "tensor 'a.weight' has 0 of 48 bytes",
        AGAIN,
    ),
    "too little data": (
        checkpoints.zip_bytes(entries(**{"archive/data/0": bytes(47)})),
        DAMAGED + "tensor 'a.weight' has 47 of 48 bytes",
        AGAIN,
    ),
    "65,000 entries": (
        patched(END + 8, struct.pack("<2H", 65_000, 65_000)),
        DAMAGED + "it claims 65,000 entries, more than 16,384",
        AGAIN,
    ),
    "a directory of gigabytes": (
        patched(END + 12, struct.pack("<I", 2**32 - 1)),
        DAMAGED + "its directory of entries cannot be read",
        AGAIN,
    ),
    "a directory elsewhere": (
        patched(END + 16, struct.pack("<I", 7)),
        DAMAGED + "its directory of entries cannot be read",
        AGAIN,
    ),
    "more entries than there are": (
        patched(END + 8, struct.pack("<2H", 9, 9)),
        DAMAGED + "its directory of entries cannot be read",
        AGAIN,
    ),
    "a name past the end": (
        patched(ENTRY + 28, struct.pack("<H", 60_000)),
        DAMAGED + "its directory of entries cannot be read",
        AGAIN,
    ),
    "64-bit sizes without their field": (
        patched(ENTRY + 20, b"\xff" * 8),
        f"'x.ckpt' is truncated: it has {len(WHOLE):,} of 4,294,967,295 bytes",
        AGAIN,
    ),
    "a larger size than the file": (
        patched(ENTRY + 20, struct.pack("<2I", 2**31, 2**31)),
        f"'x.ckpt' is truncated: it has {len(WHOLE):,} of 2,147,483,648 bytes",
        AGAIN,
    ),
    "an entry elsewhere": (
        patched(ENTRY + 42, struct.pack("<I", 3)),
        DAMAGED + "entry 'archive/data.pkl' is not at the offset that the directory states",
        AGAIN,
    ),
}


@pytest.mark.parametrize(
    ("data", "message", "hint"), HOSTILE_ARCHIVES.values(), ids=HOSTILE_ARCHIVES
)
def test_a_hostile_archive(tmp_path: Path, data: bytes, message: str, hint: str) -> None:
    assert error_of(tmp_path, data) == (message, hint)


def test_a_zip_bomb(tmp_path: Path) -> None:
    bomb = entries(**{"archive/data.pkl": bytes(100_000_000)})
    data = checkpoints.zip_bytes(bomb, compression=zipfile.ZIP_DEFLATED)
    assert len(data) < 200_000
    message, hint = error_of(tmp_path, data)
    assert message.startswith(
        "'x.ckpt' is not a checkpoint that PyTorch wrote: its entry 'archive/data.pkl' is"
        " compressed from 100,000,000 to "
    )
    assert hint == CONVERT


def test_a_compressed_entry_that_claims_to_be_stored(tmp_path: Path) -> None:
    data = bytearray(
        checkpoints.zip_bytes(
            entries(**{"archive/data/0": bytes(1000)}), compression=zipfile.ZIP_DEFLATED
        )
    )
    entry = -1
    while (entry := data.find(b"PK\x01\x02", entry + 1)) >= 0:
        data[entry + 10 : entry + 12] = b"\0\0"
    assert "is compressed from " in error_of(tmp_path, bytes(data))[0]


def test_entries_that_overlap(tmp_path: Path) -> None:
    # Each entry claims most of the file, as in bombs of overlapping entries.
    names = {f"archive/data/{number}": bytes(500_000) for number in range(1)}
    data = bytearray(checkpoints.zip_bytes(entries(**names, other=b"")))
    size = struct.pack("<2I", 500_000, 500_000)
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 20 : entry + 28] = size
    data[entry + 42 : entry + 46] = bytes(4)
    assert error_of(tmp_path, bytes(data)) == (DAMAGED + "its entries overlap", AGAIN)


def test_a_64_bit_archive(tmp_path: Path) -> None:
    # As PyTorch writes it: a separate record holds the size and offset of the directory.
    count = struct.unpack_from("<H", WHOLE, END + 10)[0]
    size, offset = struct.unpack_from("<2I", WHOLE, END + 12)
    record = b"PK\x06\x06" + struct.pack("<Q2H2I4Q", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, END, 1)
    end = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 65_535, 65_535, 2**32 - 1, 2**32 - 1, 0)
    assert list(read(tmp_path, WHOLE[:END] + record + locator + end).tensors) == ["a.weight"]
    wrong = locator.replace(struct.pack("<Q", END), struct.pack("<Q", END + 1))
    assert error_of(tmp_path, WHOLE[:END] + record + wrong + end) == (
        DAMAGED + "its directory of entries cannot be read",
        AGAIN,
    )


LEGACY = checkpoints.legacy_bytes(ONE)


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (
            LEGACY[:-1],
            f"'x.ckpt' is truncated: it has {len(LEGACY) - 1:,} of {len(LEGACY):,} bytes",
            AGAIN,
        ),
        (LEGACY[:100], UNREADABLE, AGAIN),
        (LEGACY[:15], UNREAD + "its legacy format has an unknown version", CONVERT),
        (b"\x80\x02}.", "'x.ckpt' is a Python pickle", CONVERT),
        (b"\x80\x05}.", "'x.ckpt' is a Python pickle", CONVERT),
    ],
)
def test_a_damaged_legacy_checkpoint(tmp_path: Path, data: bytes, message: str, hint: str) -> None:
    assert error_of(tmp_path, data) == (message, hint)


def test_more_tensors_than_any_model_has(tmp_path: Path) -> None:
    many: files.Tensors = {f"blocks.{number}.bias": ((), "F32") for number in range(8_193)}
    assert error_of(tmp_path, checkpoints.checkpoint_bytes(many)) == (
        DAMAGED + "it claims 8,193 tensors, more than 8,192",
        AGAIN,
    )


@pytest.mark.engine
@pytest.mark.parametrize("legacy", [False, True])
def test_the_engine_draws_with_a_decoder_in_a_checkpoint(tmp_path: Path, legacy: bool) -> None:
    data = DEMO_FILE.read_bytes()
    header = read_model_header(DEMO_FILE)
    decoder = {name: tensor for name, tensor in header.tensors.items() if name.startswith("tae.")}
    tensors: files.Tensors = {
        name.removeprefix("tae."): (tensor.shape, tensor.type) for name, tensor in decoder.items()
    }
    contents = {
        name.removeprefix("tae."): content
        for name, content in tensor_data(data).items()
        if name in decoder
    }
    write = checkpoints.legacy_bytes if legacy else checkpoints.checkpoint_bytes
    (tmp_path / "same.pt").write_bytes(write(tensors, contents))
    (tmp_path / "zeros.pt").write_bytes(write(tensors))

    def draw(**options: Path) -> np.ndarray:
        with gpustack_draw.load("demo", **options) as model:  # type: ignore[arg-type]
            image = model.generate("a red circle", size=(64, 64), sample_steps=1, seed=7)
        return np.asarray(image)

    np.testing.assert_array_equal(draw(taesd=tmp_path / "same.pt"), draw())
    with pytest.raises(BlankPictureError):  # the checkpoint is the decoder
        draw(taesd=tmp_path / "zeros.pt")
