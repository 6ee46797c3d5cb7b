"""Parameters are read back from picture files, by this program and by another reader."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import piexif
import piexif.helper
import pytest
from hypothesis import given
from hypothesis import strategies as st
from option_values import option_values
from PIL import Image, PngImagePlugin
from sample_picture import make_picture
from sd_parsers import ParserManager

from gpustack_draw import read_parameters
from gpustack_draw.errors import UsageError
from gpustack_draw.pictures.infotext import parse_text, write_text
from gpustack_draw.pictures.parameters import parameters_text
from gpustack_draw.pictures.read_parameters import Parameters
from gpustack_draw.pictures.save import encode
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.options import SAMPLING_OPTIONS, SamplingOption

SUFFIXES = [".png", ".jpg", ".webp"]
AWKWARD = [
    "two\nlines, with: colons",
    'a sign that says "open, 24: hours"',
    "emoji \N{CAT FACE}, \u05e9\u05dc\u05d5\u05dd, caf\xe9",
    "Steps: 1, Sampler: none, CFG scale: 2, Seed: 3, Size: 1x1",
    "a line\nSteps: 1, Sampler: none, CFG scale: 2, Seed: 3, Size: 1x1\nanother",
    "back\\slash, 'quotes', {braces} and (weights:1.2)",
]
# Not read right by others, whose form has no way to say it; by ourselves they are.
BLANK_OR_ALIKE = ["", " ", "  ends in blanks ", "\n", "a\nNegative prompt: b", "Negative prompt: b"]

PAIRS = {"Steps": "8", "Seed": "7", "Size": "48x32"}


def written(folder: Path, suffix: str = ".png", **changes: object) -> Path:
    path = folder / f"cat{suffix}"
    path.write_bytes(encode(make_picture(**changes), suffix))  # type: ignore[arg-type]
    return path


def with_text(path: Path, text: str, key: str = "parameters") -> Path:
    """Write a picture as other programs do: a PNG file with a text chunk."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(key, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)
    return path


# --- what we write, read by others ----------------------------------------------------------------

_alive = []  # sd-parsers knows a picture it has read by its id()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("prompt", ["a red circle", *AWKWARD])
def test_sd_parsers_reads_our_pictures(tmp_path: Path, suffix: str, prompt: str) -> None:
    path = written(
        tmp_path, suffix, prompt=prompt, negative_prompt="blue, ugly\nand: worse",
        sampler="dpm++2m", scheduler="karras", sample_steps=20, cfg_scale=4.5, seed=2**63 - 1,
        model="dreamshaper_8",
    )  # fmt: skip
    image = Image.open(path)
    _alive.append(image)
    read = ParserManager().parse(image)
    image.close()
    assert read is not None
    (sampler,) = read.samplers
    assert [one.value for one in sampler.prompts] == [prompt]
    assert [one.value for one in sampler.negative_prompts] == ["blue, ugly\nand: worse"]
    assert sampler.name == "DPM++ 2M"
    assert sampler.parameters == {
        "scheduler": "Karras",
        "steps": "20",
        "cfg_scale": "4.5",
        "seed": "9223372036854775807",
    }
    assert sampler.model is not None
    assert sampler.model.name == "dreamshaper_8"
    assert read.metadata["Size"] == "48x32"


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
@pytest.mark.parametrize("prompt", ["a red circle", *AWKWARD])
def test_the_library_of_web_uis_reads_our_exif_data(
    tmp_path: Path, suffix: str, prompt: str
) -> None:
    with Image.open(written(tmp_path, suffix, prompt=prompt)) as image:
        fields = piexif.load(image.info["exif"])["Exif"]
    text = piexif.helper.UserComment.load(fields[piexif.ExifIFD.UserComment])
    assert text == parameters_text(make_picture(prompt=prompt))


def test_an_exact_prompt_does_not_mislead_others(tmp_path: Path) -> None:
    """The pair that keeps a prompt with blank ends has no comma or colon to split at."""
    image = Image.open(written(tmp_path, prompt=" Steps: 1, Seed: 3, Size: 1x1 "))
    _alive.append(image)
    read = ParserManager().parse(image)
    image.close()
    assert read is not None
    assert read.samplers[0].parameters["seed"] == "7"
    assert read.samplers[0].parameters["steps"] == "8"
    assert read.metadata["Size"] == "48x32"


# --- what we write, read by ourselves -------------------------------------------------------------


EMBEDDINGS = {"<cat-toy>": "0123456789ab", "bad-hands 5": "0" * 12}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("prompt", [*AWKWARD, *BLANK_OR_ALIKE])
def test_everything_comes_back(tmp_path: Path, suffix: str, prompt: str) -> None:
    for negative in ("", "blue", prompt):
        read = read_parameters(
            written(
                tmp_path, suffix, prompt=prompt, negative_prompt=negative, sampler="euler_a",
                scheduler="sgm_uniform", sample_steps=20, cfg_scale=4.35, seed=2**63 - 1,
                model='my "model", v1: final', reference="hf.co/owner/repo@main:Q4_0",
                user_components="vae clip_l", embeddings=EMBEDDINGS,
            )
        )  # fmt: skip
        assert (read.prompt, read.negative_prompt) == (prompt, negative)
        assert read.model == 'my "model", v1: final'
        assert read.reference == "hf.co/owner/repo@main:Q4_0"
        assert read.user_components == ("vae", "clip_l")
        assert read.embeddings == tuple(EMBEDDINGS)
        assert read.extra["TI hashes"] == "<cat-toy>: 0123456789ab, bad-hands 5: 000000000000"
        assert read.is_of_this_program
        assert read.request() == DrawRequest(
            prompt=prompt,
            negative_prompt=negative,
            size=(48, 32),
            sampler="euler_a",
            scheduler="sgm_uniform",
            sample_steps=20,
            cfg_scale=4.35,
            seed=2**63 - 1,
        )


@pytest.mark.parametrize("option", SAMPLING_OPTIONS, ids=lambda option: option.name)
def test_each_sampling_number_comes_back(tmp_path: Path, option: SamplingOption) -> None:
    for value in option_values(option):
        read = read_parameters(written(tmp_path, **{option.name: value}))
        assert getattr(read.request(), option.name) == value


@pytest.mark.parametrize(("scale", "layers"), [("2.500000", (7, 8, 9)), ("0.000000", None)])
def test_layers_that_sd_cli_skips(scale: str, layers: tuple[int, ...] | None) -> None:
    pairs = {**PAIRS, "SLG scale": scale, "Skip layers": "[7, 8, 9, ]", "Skip layer end": "0.2"}
    image = Image.new("RGB", (8, 8))
    image.info["parameters"] = write_text("a cat", "", pairs)
    read = read_parameters(image)
    assert read.skip_layers == layers
    assert "Skip layers" not in read.extra


# Any prompt: text without halves of surrogate pairs and without NUL.
_PROMPTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_LINES = st.sampled_from(["Negative prompt: x", "Steps: 1, Seed: 2, Size: 3x3", "Exact prompt: y"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_longest_prompts_come_back(tmp_path: Path, suffix: str) -> None:
    """Repeated behind the pairs, they fill several segments of a JPEG file."""
    prompts = {"prompt": " " + "\N{CAT FACE}" * 9_999, "negative_prompt": "\n" + "\xe9,: " * 2_000}
    path = written(tmp_path, suffix, **prompts)
    read = read_parameters(path)
    assert {"prompt": read.prompt, "negative_prompt": read.negative_prompt} == prompts
    assert read.seed == 7
    with Image.open(path) as image:  # other programs read them through Pillow
        assert image.info.keys() & {"exif", "parameters"}
        fields = image.getexif().get_ifd(0x8769)
    if suffix != ".png":
        assert fields[0x9286][8:].decode("utf-16-be") == read.text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_latin_1_that_looks_like_utf_8_comes_back(tmp_path: Path, suffix: str) -> None:
    assert read_parameters(written(tmp_path, suffix, prompt="\xc3\xa9")).prompt == "\xc3\xa9"


@given(
    prompt=_PROMPTS | st.lists(_PROMPTS | _LINES).map("\n".join),
    negative=_PROMPTS | st.lists(_PROMPTS | _LINES).map("\n".join),
)
def test_any_prompt_comes_back(prompt: str, negative: str) -> None:
    read = parse_text(write_text(prompt, negative, PAIRS))
    assert read is not None
    assert (read.prompt, read.negative_prompt) == (prompt, negative)
    assert read.pairs == PAIRS


def test_what_only_a_server_knows_is_missing(tmp_path: Path) -> None:
    read = read_parameters(
        written(tmp_path, sampler=None, scheduler=None, sample_steps=None, cfg_scale=None)
    )
    assert (read.sampler, read.scheduler, read.sample_steps, read.cfg_scale) == ("", "", None, None)
    assert read.request() == DrawRequest(prompt="a red circle", size=(48, 32), seed=7)


# --- pictures of other programs -------------------------------------------------------------------

WEB_UI = (
    "a cat, (masterpiece:1.2)\n"
    "second line\n"
    "Negative prompt: blurry,\n"
    "ugly\n"
    "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1234567890, Size: 512x768,"
    " Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Face restoration: GFPGAN,"
    ' Lora hashes: "one: 0a1b, two: 2c3d", Version: v1.6.0'
)


def expected_of_web_ui(text: str) -> Parameters:
    return Parameters(
        prompt="a cat, (masterpiece:1.2)\nsecond line",
        negative_prompt="blurry,\nugly",
        model="v1-5-pruned-emaonly",
        reference="",
        size=(512, 768),
        sampler="dpm++2m",
        scheduler="karras",
        sample_steps=20,
        cfg_scale=7.0,
        seed=1234567890,
        user_components=(),
        program="AUTOMATIC1111 v1.6.0",
        extra={
            "Model hash": "6ce0161689",
            "Face restoration": "GFPGAN",
            "Lora hashes": "one: 0a1b, two: 2c3d",
            "Version": "v1.6.0",
        },
        text=text,
    )


def test_a_picture_of_a_web_ui(tmp_path: Path) -> None:
    read = read_parameters(with_text(tmp_path / "cat.png", WEB_UI))
    assert read == expected_of_web_ui(WEB_UI)
    assert not read.is_of_this_program


CODES = [b"UNICODE\0", b"unicode\0", b"ASCII\0\0\0", b"ASCII   ", b"JIS\0\0\0\0\0", bytes(8), b""]
ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-be": b"",
    "utf-16-le": b"",
    "utf-16": b"",  # with a mark
    "utf-16-be with a mark": b"\xfe\xff",
}
KINDS = ["JPEG", "WEBP", "PNG"]
CAFE = WEB_UI.replace("a cat", "\u4e00\u5ea7, caf\xe9, \N{CAT FACE}")


def with_exif(path: Path, kind: str, directory: int, field: int, value: object) -> Path:
    exif = Image.Exif()
    (exif.get_ifd(directory) if directory else exif)[field] = value
    Image.new("RGB", (8, 8)).save(path, format=kind, exif=exif.tobytes())
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("directory", [0x8769, 0], ids=["Exif", "IFD0"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("code", CODES)
def test_each_encoding_of_a_user_comment(
    tmp_path: Path, code: bytes, encoding: str, directory: int, kind: str
) -> None:
    data = code + ENCODINGS[encoding] + CAFE.encode(encoding.partition(" ")[0])
    for end in (b"", bytes(4)):
        path = with_exif(tmp_path / "cat", kind, directory, 0x9286, data + end)
        read = read_parameters(path)
        assert (read.prompt, read.seed) == (
            "\u4e00\u5ea7, caf\xe9, \N{CAT FACE}, (masterpiece:1.2)\nsecond line", 1234567890
        )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", [0x010E, 0x9C9C], ids=["ImageDescription", "XPComment"])
def test_other_fields_of_exif(tmp_path: Path, field: int, kind: str) -> None:
    value: object = WEB_UI if field == 0x010E else WEB_UI.encode("utf-16-le")
    path = with_exif(tmp_path / "cat", kind, 0, field, value)
    assert read_parameters(path) == expected_of_web_ui(WEB_UI)


XMP = "<x:xmpmeta><rdf:Description a:b='c' {}>{}</rdf:Description></x:xmpmeta>"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "packet",
    [
        XMP.format("", f"<sdcpp:parameters>{WEB_UI}</sdcpp:parameters>"),
        XMP.format("", f"<dc:description><rdf:li>{WEB_UI}</rdf:li></dc:description>"),
        XMP.format(
            "exif:UserComment='{}'".format(WEB_UI.replace('"', "&quot;").replace("\n", "&#xA;")), ""
        ),
    ],
)
def test_xmp(tmp_path: Path, packet: str, kind: str) -> None:
    path, image = tmp_path / "cat", Image.new("RGB", (8, 8))
    if kind == "PNG":
        with_text(path.with_suffix(".png"), packet, "XML:com.adobe.xmp").rename(path)
    else:
        image.save(path, format=kind, xmp=packet.encode())
    assert read_parameters(path) == expected_of_web_ui(WEB_UI)


def test_a_jpeg_comment(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-16-le"):
        comment = CAFE.encode(encoding)
        Image.new("RGB", (8, 8)).save(tmp_path / "cat.jpg", comment=comment)
        assert read_parameters(tmp_path / "cat.jpg").text == CAFE


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", ["parameters", "Parameters", "Comment", "generation_data"])
def test_each_encoding_of_a_png_text(name: str, encoding: str, kind: bytes) -> None:
    text = WEB_UI.replace("cat", "caf\xe9 512\xd7512").encode(encoding)
    data = b"\0" + zlib.compress(text) if kind == b"zTXt" else text
    read = read_parameters(png(chunk(kind, name.encode() + b"\0" + data)))
    assert read.prompt == "a caf\xe9 512\xd7512, (masterpiece:1.2)\nsecond line"


def test_exif_in_an_old_png(tmp_path: Path) -> None:
    """ImageMagick wrote it in hexadecimal digits."""
    with Image.open(with_exif(tmp_path / "cat.jpg", "JPEG", 0, 0x010E, WEB_UI)) as image:
        data = image.info["exif"]
    text = f"\nexif\n{len(data):8}\n{data.hex()}\n"
    path = with_text(tmp_path / "cat.png", text, "Raw profile type exif")
    assert read_parameters(path) == expected_of_web_ui(WEB_UI)


FORMS = [
    "a: b, c\nNegative prompt: d, e\n{}",
    "a: b, c\r\nNegative prompt: d, e\r\n{}",
    "a: b, c\rnegative prompt:d, e\r{}",
    "a: b, c. Negative prompt: d, e. {}",
    "a: b, c Negative prompt: d, e {}",
    "a: b, c | Negative prompt: d, e | {}",
    "a: b, c; Negative Prompt: d, e; {}",
    "a: b, c\u3002Negative prompt: d, e\u3002{}",
    "a: b, c\nNegative prompt: d, e. {}",
    "a: b, c. Negative prompt: d, e\n{}",
    "\ufeffa: b, c\nNegative prompt: d, e\n\n{}\n",
]
PAIRS_FORMS = [
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768",
    "Steps: 20; Sampler: Euler a; CFG scale: 7; Seed: 5; Size: 512x768",
    "Steps: 20 | Sampler: Euler a | CFG scale: 7 | Seed: 5 | Size: 512x768",
    "Steps:20,Sampler:Euler a,CFG scale:7,Seed:5,Size:512x768,",
    "Steps: 20.0, Sampler: k_euler_a, CFG scale: 7.00, Seed: 5.0, Size: 512.0x768.0",
    "steps: 20, sampler: euler_a, cfg_scale: 7, seed: 5, size: 512 x 768",
    "Sampler: Euler a, Steps: 20, Seed: 5, CFG scale: 7, Size: 512\xd7768",
    "Steps: 20\tSampler: Euler a\tCFG scale: 7\tSeed: 5\tSize: 512X768",
    "Steps: 20\uff0cSampler: Euler a\uff0cCFG scale: 7\uff0cSeed: 5\uff0cSize: 512x768",
    'Steps: "20", Sampler: "Euler a", CFG scale: "7", Seed: "5", Size: "512x768"',
    'Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768, C: [{"a":"b, Seed: 9"}]',
    "Steps: 20, Sampler: Euler a, CFG scale: 7, C: [{'a': 'b, Seed: 9'}], Seed: 5, Size: 512x768",
    "Steps: 20, Skip layers: [7, 8, ], Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768",
    'Steps: 20, Sampler: Euler a, CFG scale: 7, Hashes: {"Seed": "9"}, Seed: 5, Size: 512x768',
    'Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768, B: "c, Seed: 9,\nSteps: 8"',
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768, Seed: 9",
]


@pytest.mark.parametrize("pairs", PAIRS_FORMS)
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_other_programs(form: str, pairs: str) -> None:
    text = form.format(pairs.replace("\n", "\r\n") if "\r" in form else pairs)
    read = read_parameters(png(chunk(b"iTXt", b"parameters\0\0\0\0\0" + text.encode())))
    assert (read.prompt, read.negative_prompt) == ("a: b, c", "d, e")
    assert (read.sample_steps, read.sampler, read.cfg_scale) == (20, "euler_a", 7)
    assert (read.seed, read.size) == (5, (512, 768))


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("a cat\nSteps: 20\nSampler: Euler a\nModel hash: 0a\nSeed: 5\nSize: 8x8", "a cat"),
        ("Model: a woman in red. Steps: 20, Sampler: Euler a, Seed: 5", "Model: a woman in red"),
        (
            'a sign: "Steps: 1, Seed: 2, Size: 3x3". Steps: 20, Sampler: Euler a, Seed: 5',
            'a sign: "Steps: 1, Seed: 2, Size: 3x3"',
        ),
        (
            "a sign: Steps: 1, Seed: 2, Size: 3x3 Steps: 20, Sampler: Euler a, Seed: 5",
            "a sign: Steps: 1, Seed: 2, Size: 3x3",
        ),
        ("Steps: 20, Skip layers: [7, 8, ], Sampler: Euler a, Seed: 5, Version: a", ""),
        ("a\nEta: 0, Steps: 20, Sampler: Euler a, Seed: 5", "a"),
        ("{a|b} c\nSteps: 20, Sampler: Euler a, Seed: 5\nTemplate: {a|b}, Steps: many", "{a|b} c"),
    ],
)
def test_where_the_prompt_ends(text: str, prompt: str) -> None:
    read = parse_text(text)
    assert read is not None
    assert (read.prompt, read.negative_prompt) == (prompt, "")
    assert (read.pairs["Steps"], read.pairs["Sampler"], read.pairs["Seed"]) == (
        "20",
        "Euler a",
        "5",
    )


def test_a_text_behind_the_pixels(tmp_path: Path) -> None:
    path = with_text(tmp_path / "cat.png", WEB_UI)
    data = path.read_bytes()
    start = data.index(b"tEXt") - 4
    end = start + 12 + struct.unpack_from(">I", data, start)[0]
    path.write_bytes(data[:start] + data[end:-12] + data[start:end] + data[-12:])
    assert read_parameters(path) == expected_of_web_ui(WEB_UI)


def test_values_that_cannot_be_are_left_where_they_are(tmp_path: Path) -> None:
    pairs = "Steps: many, CFG scale: nan, Seed: -7, Size: 9999x1, Model: a, Version: v1.6.0"
    read = read_parameters(with_text(tmp_path / "cat.png", f"a cat\n{pairs}"))
    assert (read.sample_steps, read.cfg_scale, read.seed, read.size) == (None,) * 4
    assert read.extra == {
        "Steps": "many",
        "CFG scale": "nan",
        "Seed": "-7",
        "Size": "9999x1",
        "Version": "v1.6.0",
    }


@pytest.mark.parametrize("reference", ["/etc/passwd", "./a", "~/a", "a.ckpt", "http://a/b", " "])
def test_a_picture_names_no_file_to_be_opened(tmp_path: Path, reference: str) -> None:
    text = f'a cat\nSteps: 5, Seed: 1, Size: 8x8, Model: a, Model reference: "{reference}"'
    assert read_parameters(with_text(tmp_path / "cat.png", text)).reference == ""


def test_a_long_text_takes_no_longer_than_reading_it(tmp_path: Path) -> None:
    """Would take hours, were the time to grow with the square of the length."""
    for text in (
        *("a" * 900_000, " " * 900_000 + "a", 'a: "' * 200_000, "a\n" * 400_000),
        *("Steps: " * 30_000, "Steps: 1, " * 20_000, "x Steps: 1, Seed: 2, " * 10_000),
        *('a: [{"' + '\\"' * 100_000, "a: [{\"'" * 30_000, "a: [" * 50_000, "; |" * 90_000),
        *("Seed: 1\n" * 30_000, "x Seed: 1, " + "a: " * 90_000, 'Steps: "1, ' * 20_000),
    ):
        assert parse_text(text) is None


# --- bad pictures ---------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def png(*chunks: bytes, size: int = 8) -> bytes:
    """Return a PNG file with these chunks before its pixels."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="PNG")
    data = file.getvalue()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
    return data[:8] + header + b"".join(chunks) + data[33:]


LONG = b"a" * 2_000_000
TELLING = (
    "pictures of gpustack-draw and of Stable Diffusion web UIs have one, unless another program has"
    " removed it"
)
TOO_MUCH = "holds more text than parameters can have"


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b"", "is not a PNG, JPEG or WebP picture", ""),
        (b"some notes", "is not a PNG, JPEG or WebP picture", ""),
        (b"GIF89a" + bytes(20), "is not a PNG, JPEG or WebP picture", ""),
        (b"RIFF\0\0\0\0WAVEfmt ", "is not a PNG, JPEG or WebP picture", ""),
        (png()[:8], "is damaged", "copy or download it again"),
        (png()[:20], "is damaged", "copy or download it again"),
        (png(chunk(b"tEXt", b"parameters\0abc"))[:48], "is damaged", "copy or download it again"),
        (encode(make_picture(), ".jpg")[:100], "is damaged", "copy or download it again"),
        (encode(make_picture(), ".webp")[:-50], "is damaged", "copy or download it again"),
        (
            png(chunk(b"tEXt", b"parameters\0abc")[:-1] + b"!"),
            "is damaged",
            "copy or download it again",
        ),
        (png(), "has no record of how it was drawn", TELLING),
        (png(chunk(b"tEXt", b"prompt\0{}")), "has no record of how it was drawn", TELLING),
        (
            png(chunk(b"tEXt", b'parameters\0{"sui": "a cat"}')),
            'has no record of how it was drawn: its text is \'{"sui": "a cat"}\'',
            TELLING,
        ),
        (
            png(chunk(b"tEXt", b"parameters\0a cat, Seed: 3")),
            "has no record of how it was drawn: its text is 'a cat, Seed: 3'",
            TELLING,
        ),
        (png(chunk(b"tEXt", b"parameters\0" + LONG)), TOO_MUCH, ""),
        (png(chunk(b"zTXt", b"parameters\0\0" + zlib.compress(LONG))), TOO_MUCH, ""),
        (png(chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(LONG))), TOO_MUCH, ""),
        (png(*[chunk(b"tEXt", b"a\0" + LONG)] * 40), TOO_MUCH, ""),
        (
            png(size=60_000),
            "has no record of how it was drawn",
            TELLING,
        ),  # nobody decodes its pixels
    ],
)
def test_a_file_that_does_not_do(tmp_path: Path, data: bytes, message: str, hint: str) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_parameters(path)
    assert (caught.value.message, caught.value.hint) == (f"'{path}' {message}", hint)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, message, hint in (
        (str(tmp_path / "no.png"), "does not exist", "check the path"),
        (str(tmp_path), "is a folder", "name a picture in it"),
        ("a\0b", "cannot be a file name", ""),
        ("a" * 300, "cannot be read: file name too long", ""),
    ):
        with pytest.raises(UsageError) as caught:
            read_parameters(path)
        quoted_path = repr(path if len(path) < 100 else path[:97] + "...")
        assert (caught.value.message, caught.value.hint) == (f"{quoted_path} {message}", hint)


def test_a_device_is_refused() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("there is no such device")
    with pytest.raises(UsageError) as caught:
        read_parameters("/dev/zero")
    assert caught.value.message == "'/dev/zero' is a device or a socket, not a file"
    assert caught.value.hint == "save the picture to a file first"


class Stream(io.RawIOBase):
    """A stream that cannot go back, such as a response."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.data.readinto(buffer)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_type_of_source(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path, suffix, prompt="a café")
    expected, data = read_parameters(path), path.read_bytes()
    assert expected.prompt == "a café"
    file = io.BytesIO(data)
    file.seek(7)
    with path.open("rb") as opened, Image.open(path) as image:
        for source in (
            str(path), data, bytearray(data), memoryview(data), file, opened, Stream(data), image,
        ):  # fmt: skip
            assert read_parameters(source) == expected  # type: ignore[arg-type]
        assert read_parameters(image.copy()) == expected
    assert file.tell() == 7
    assert read_parameters(make_picture(prompt="a café").to_image()).prompt == "a café"


@pytest.mark.parametrize("name", ["z_after_idat.png", "sdcpp_utf8_in_tEXt.png", "crlf.png"])
def test_an_image_that_pillow_has_opened(name: str) -> None:
    path = Path(__file__).parent / "cases" / name
    with Image.open(path) as image:
        assert read_parameters(image) == read_parameters(path)


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        (None, "None is not a path, bytes, a binary file object or a PIL image", ""),
        (7, "7 is not a path, bytes, a binary file object or a PIL image", ""),
        (["a"], "['a'] is not a path, bytes, a binary file object or a PIL image", ""),
        (io.StringIO("a"), "the picture is text", "open the file in binary mode, 'rb'"),
        (b"", "the picture is not a PNG, JPEG or WebP picture", ""),
        (io.BytesIO(b"GIF89a"), "the picture is not a PNG, JPEG or WebP picture", ""),
        (png()[:40], "the picture is damaged", "copy or download it again"),
        (Image.new("L", (1, 1)), "the picture has no record of how it was drawn", TELLING),
    ],
)
def test_a_source_that_is_refused(source: Any, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_parameters(source)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_closed_file() -> None:
    file = io.BytesIO(png())
    file.close()
    with pytest.raises(UsageError) as caught:
        read_parameters(file)
    assert caught.value.message == "the picture cannot be read: I/O operation on closed file"


def test_pixels_are_not_decoded() -> None:
    """Decoding a large picture takes seconds; these pixels cannot be decoded at all."""
    text = chunk(b"tEXt", b"parameters\0" + WEB_UI.encode())
    data = png(chunk(b"IDAT", b"no pixels"), text, size=60_000)
    assert read_parameters(data).seed == 1234567890


def test_any_cut_of_a_picture_is_reported(tmp_path: Path) -> None:
    """A truncated or changed file results in its parameters or in a DrawError."""
    for suffix in SUFFIXES:
        data = encode(make_picture(), suffix)
        for length in range(0, len(data), 7):
            (tmp_path / "cut").write_bytes(data[:length])
            with suppress(UsageError):
                assert read_parameters(tmp_path / "cut").seed == 7
