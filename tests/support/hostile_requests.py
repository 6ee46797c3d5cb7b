"""Hostile requests to a server, as bytes, and strategies that make more of them."""

import base64
import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from input_files import encoded, png_chunk
from PIL import Image

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
TXT2IMG, IMG2IMG = "/sdapi/v1/txt2img", "/sdapi/v1/img2img"
SIZE = "64x64"
BOUNDARY = "guard"


@dataclass(frozen=True)
class HostileRequest:
    """A request.

    Attributes:
        name: What it attempts, for messages.
        data: Its bytes.
        statuses: Statuses that are right besides 400 to 431.
        may_have_no_answer: Whether the connection may end without a response.
    """

    name: str
    data: bytes = field(repr=False)
    statuses: frozenset[int] = frozenset({503})
    may_have_no_answer: bool = False


def http(
    method: str,
    path: str,
    body: bytes = b"",
    *,
    content_type: str = "",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a request that ends its connection."""
    named = {"Host": "127.0.0.1", "Connection": "close", "Content-Length": str(len(body))}
    named |= {"Content-Type": content_type} if content_type else {}
    named |= headers or {}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {named[name]}" for name in named), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def post_json(path: str, value: object) -> bytes:
    """Return a request with a value as JSON."""
    return http("POST", path, json.dumps(value).encode(), content_type="application/json")


def post_form(path: str, parts: Mapping[str, str | bytes]) -> bytes:
    """Return a request with a form; bytes become files."""
    body = b""
    for name, content in parts.items():
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if isinstance(content, bytes):
            body += b'; filename="a.png"\r\nContent-Type: image/png\r\n\r\n' + content
        else:
            body += b"\r\n\r\n" + content.encode("utf-8", "surrogatepass")
        body += b"\r\n"
    body += f"--{BOUNDARY}--\r\n".encode()
    return http("POST", path, body, content_type=f"multipart/form-data; boundary={BOUNDARY}")


# Pictures


def png(width: int = 64, height: int = 64) -> bytes:
    """Return a small picture."""
    return encoded(Image.new("RGB", (width, height), "red"))


def announced_png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    """Return a PNG file whose header announces a size."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = png_chunk(b"IDAT", pixels or zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + data + png_chunk(b"IEND", b"")


def black_png(width: int, height: int) -> bytes:
    """Return a complete gray PNG file of many pixels and few bytes."""
    packer = zlib.compressobj(1)
    row = b"\0" * (width + 1)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return announced_png(width, height, pixels=pixels)


def picture_bombs() -> dict[str, bytes]:
    """Return files that are small, and large or endless once they are read."""
    text = png_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * 30_000_000))
    profile = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"\0" * 30_000_000))
    frames = [Image.new("P", (500, 500), number) for number in range(50)]
    animation = io.BytesIO()
    frames[0].save(animation, "GIF", save_all=True, append_images=frames[1:])
    return {
        "announced": announced_png(100_000, 100_000),
        "announced by a signed number": announced_png(2**31 - 1, 2**31 - 1),
        "no pixels": announced_png(0, 0),
        "megapixels": black_png(10_100, 10_000),
        "long side": black_png(60_000, 10),
        "narrow": black_png(1, 8000),
        "text": announced_png(8, 8, text),
        "color profile": announced_png(8, 8, profile),
        "frames": animation.getvalue(),
        "cut": png()[:60],
        "not a picture": b"GIF89a" + b"\xff" * 50,
        "drawing": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
        "TIFF": b"II*\0\x08\0\0\0" + b"\xff" * 60,
        "empty": b"",
    }


# Names of files


def hostile_names(canary: Path) -> list[str]:
    """Return names that would read a file of the server, or something over the network.

    Args:
        canary: A file that nobody may open.
    """
    up = "../" * 12
    absolute = str(canary)
    return [
        absolute,
        up + absolute.lstrip("/"),
        f"./{up}{absolute[1:]}",
        f"file://{absolute}",
        f"hf.co/{up}{absolute[1:]}",
        f"hf.co/a/b/{up}{absolute[1:]}",
        "hf.co/acme/sd:../../x",
        absolute + "\0.safetensors",
        absolute.replace("/", "\\"),
        "~/.ssh/id_rsa",
        "$HOME/.netrc",
        "/dev/stdin",
        "/dev/zero",
        "/proc/self/environ",
        "-",
        "--help",
        "@/etc/passwd",
        "http://127.0.0.1:9/x.safetensors",
        "http://169.254.169.254/latest/meta-data",
        "s3://bucket/key",
        "..",
        ".",
        "",
        "a" * 5000,
        "\u202egnp.exe",
        "con.safetensors",
        canary.name,
        canary.stem,
    ]


def name_requests(canary: Path) -> Iterator[HostileRequest]:
    """Yield requests that name files wherever a request names something."""
    for name in hostile_names(canary):
        yield from _requests_that_name(name)


def _requests_that_name(name: str) -> Iterator[HostileRequest]:
    small = {"prompt": "a circle", "size": SIZE, "sample_steps": 1}
    web_ui = {"prompt": "a circle", "width": 64, "height": 64, "steps": 1}
    drawn = frozenset({200, 503})
    bodies: dict[str, dict[str, Any]] = {
        "loras": {"loras": [name]},
        "lora": {"loras": [{"name": name, "weight": 1}]},
        "weight": {"loras": [f"{name}:0.5"]},
        "lora_dir": {"lora_dir": name},
        "upscale": {"upscale": name},
        "hires": {"hires": 2, "hires_upscaler": name},
        "tag": {"prompt": f"a circle <lora:{name}:1>"},
        "embedding": {"prompt": f"a circle embedding:{name}"},
        "image": {"image": name},
        "images": {"image": [{"image_url": name}]},
        "mask": {"image": name, "mask": name},
        "control": {"control_image": name},
        "references": {"ref_image": [name]},
        "sampler": {"sampler": name},
        "component": {"vae": name, "clip_l": name, "llm": name, "taesd": name},
        "output": {"output": name, "path": name, "save_images": True},
    }
    for kind, extra in bodies.items():
        yield HostileRequest(f"{kind} {name!r}", post_json(GENERATIONS, small | extra), drawn)
    yield HostileRequest(f"model {name!r}", post_json(GENERATIONS, small | {"model": name}), drawn)
    text = {"prompt": "a circle", "size": SIZE, "sample_steps": "1"}
    for kind, form in {
        "image": {"image": name},
        "mask": {"image": png(), "mask": name},
        "image[]": {"image[]": name},
        "lora": {"image": png(), "loras": json.dumps([name])},
    }.items():
        yield HostileRequest(f"form {kind} {name!r}", post_form(EDITS, text | form), drawn)
    for kind, values in {
        "init_images": {"init_images": [name]},
        "mask": {"init_images": [base64.b64encode(png()).decode()], "mask": name},
        "tag": {"prompt": f"<lora:{name}:1>"},
        "checkpoint": {"override_settings": {"sd_model_checkpoint": name, "sd_vae": name}},
        "upscaler": {"enable_hr": True, "hr_upscaler": name, "hr_scale": 2},
        "script": {"script_name": name, "script_args": [name]},
        "styles": {"styles": [name], "sampler_index": name},
    }.items():
        path = IMG2IMG if kind in ("init_images", "mask") else TXT2IMG
        yield HostileRequest(f"web UI {kind} {name!r}", post_json(path, web_ui | values), drawn)
    single = {"image": name, "upscaler_1": name, "upscaling_resize": 2}
    yield HostileRequest("extras", post_json("/sdapi/v1/extra-single-image", single), drawn)
    yield HostileRequest("png-info", post_json("/sdapi/v1/png-info", {"image": name}), drawn)
    options = {"sd_model_checkpoint": name, "outdir_samples": name, "sd_lora": name}
    yield HostileRequest("options", post_json("/sdapi/v1/options", options), drawn)


def picture_requests() -> Iterator[HostileRequest]:
    """Yield requests with pictures that are too large, broken or something else."""
    drawn = frozenset({200, 503})
    text = {"prompt": "a circle", "size": SIZE, "sample_steps": "1"}
    for name, data in picture_bombs().items():
        encoded = base64.b64encode(data).decode()
        web_ui = {"prompt": "x", "width": 64, "height": 64, "steps": 1, "init_images": [encoded]}
        yield HostileRequest(f"{name} as image", post_form(EDITS, text | {"image": data}), drawn)
        form = post_form(EDITS, text | {"image": png(), "mask": data})
        yield HostileRequest(f"{name} as mask", form, drawn)
        yield HostileRequest(f"{name} in JSON", post_json(IMG2IMG, web_ui), drawn)
        info = post_json("/sdapi/v1/png-info", {"image": encoded})
        yield HostileRequest(f"{name} in png-info", info, drawn)
        address = {"image": f"data:image/png;base64,{encoded}", "prompt": "x", "size": SIZE}
        yield HostileRequest(f"{name} as address", post_json(EDITS, address), drawn)
    many = black_png(9_900, 9_900)
    parts = {f"image[{number}]": many for number in range(16)}
    yield HostileRequest("many megapixels", post_form(EDITS, text | parts), drawn)
    web_ui = {"init_images": [base64.b64encode(many).decode()] * 16, "width": 64, "height": 64}
    yield HostileRequest("many in JSON", post_json(IMG2IMG, web_ui | {"steps": 1}), drawn)


# Paths, methods, headers


def path_requests(canary: Path) -> Iterator[HostileRequest]:
    """Yield requests with paths that leave their folder, or that no route has."""
    target = str(canary)[1:]
    ups = (
        "../" * 12,
        "..%2f" * 12,
        "%2e%2e/" * 12,
        "..%5c" * 12,
        "%252e%252e%252f" * 12,
        "....//" * 12,
    )
    starts = ("/", "/page/", "/gallery/", "/v1/models/", "/drawings/", "/page/./", "/sdapi/v1/")
    paths = [start + up + target for start in starts for up in ups]
    paths += [f"{start}{target}" for start in ("//", "/page//", "/file=/", "/gallery//")]
    paths += ["/%00", "/page/page.js%00.html", "/page/%ff%fe", "/" + "a" * 8000, "/" + "%41" * 3000]
    paths += ["/page/..", "/page/", "/page", "/?" + "a=b&" * 2000, "/;x", "/docs", "/openapi.json"]
    found = frozenset({200, 301, 302, 304, 307, 308})
    for path in paths:
        for method in ("GET", "POST", "DELETE"):
            yield HostileRequest(f"{method} {path[:80]}", http(method, path), found)
    for method in ("HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "BREW", "get", "CONNECT"):
        for path in ("/", "/health", "/v1/models", GENERATIONS, "/metrics", "/page/page.js"):
            yield HostileRequest(f"{method} {path}", http(method, path), found)


def header_requests() -> Iterator[HostileRequest]:
    """Yield requests with unusual headers; they are read or refused, never misread."""
    body = json.dumps({"prompt": "x", "size": SIZE, "sample_steps": 1}).encode()
    read = frozenset({200, 206, 304, 416, 503})
    cases: dict[str, dict[str, str]] = {
        "host": {"Host": "evil.example.org"},
        "origin": {"Origin": "http://evil.example.org"},
        "null origin": {"Origin": "null"},
        "range": {"Range": "bytes=0-0,1-1,2-2" + ",3-3" * 500},
        "negative range": {"Range": "bytes=-99999999999999999999"},
        "compressed": {"Content-Encoding": "gzip"},
        "charset": {"Content-Type": "application/json; charset=utf-7"},
        "two charsets": {"Content-Type": "application/json; charset=utf-8; charset=utf-16"},
        "type": {"Content-Type": "text/plain"},
        "xml": {"Content-Type": "application/xml"},
        "no type": {"Content-Type": ""},
        "expect": {"Expect": "something"},
        "override": {"X-HTTP-Method-Override": "DELETE", "X-Original-URL": "/metrics"},
        "forwarded": {
            "X-Forwarded-For": "x" * 3000,
            "X-Forwarded-Host": "evil",
            "Forwarded": "\xff",
        },
        "basic": {"Authorization": "Basic " + "=" * 100},
        "bytes": {"X-Bytes": "".join(map(chr, range(128, 256)))},
        "cookies": {"Cookie": "a=" + "b" * 10_000},
        "accept": {"Accept": "\xff;q=a", "Accept-Encoding": "gzip;q=1e999"},
        "date": {"If-Modified-Since": "x" * 1000, "If-None-Match": '"' * 1000},
    }
    for name, headers in cases.items():
        yield HostileRequest(f"{name} on a page", http("GET", "/", headers=headers), read)
        typed = {"Content-Type": "application/json"} | headers
        yield HostileRequest(
            f"{name} on a drawing", http("POST", GENERATIONS, body, headers=typed), read
        )


def body_requests() -> Iterator[HostileRequest]:
    """Yield bodies that are no JSON, or too much of it."""
    bodies = {
        "empty": b"",
        "list": b"[]",
        "text": b'"x"',
        "number": b"1",
        "deep lists": b'{"prompt":' + b"[" * 200_000,
        "deep objects": b'{"a":' * 200_000,
        "many values": b"[" + b"0," * 1_500_000 + b"0]",
        "many keys": b"{" + b",".join(b'"%d":1' % n for n in range(500_000)) + b"}",
        "digits": b'{"seed":' + b"9" * 1_000_000 + b"}",
        "exponent": b'{"cfg_scale": 1e400}',
        "NaN": b'{"cfg_scale": NaN, "prompt": "x"}',
        "infinity": b'{"cfg_scale": -Infinity}',
        "surrogate": b'{"prompt": "\\ud800"}',
        "NUL": b'{"prompt": "a\\u0000b"}',
        "raw NUL": b'{"prompt": "a\0b"}',
        "latin-1": b'{"prompt": "\xe9"}',
        "overlong": b'{"prompt": "\xc0\xaf"}',
        "UTF-16": '{"prompt": "x"}'.encode("utf-16"),
        "UTF-32": '{"prompt": "x"}'.encode("utf-32"),
        "BOM": b'\xef\xbb\xbf{"prompt": "x"}',
        "two objects": b'{"prompt":"x"}{"prompt":"y"}',
        "comments": b'{/* */"prompt":"x"}',
        "long text": b'{"prompt": "' + b"a" * 5_000_000 + b'"}',
        "long key": b'{"' + b"a" * 5_000_000 + b'": 1}',
        "escapes": b'{"prompt": "' + b"\\u0041" * 500_000 + b'"}',
        "brackets": b'{"prompt": "' + b"(" * 9_000 + b'"}',
        "weights": b'{"prompt": "' + b"(a:1.1)" * 1_000 + b'"}',
        "tags": b'{"prompt": "' + b"<lora:a:1>" * 900 + b'"}',
        "gzip": zlib.compress(b"\0" * 50_000_000),
    }
    for name, body in bodies.items():
        for path in (GENERATIONS, TXT2IMG, "/sdapi/v1/options"):
            data = http("POST", path, body, content_type="application/json")
            allowed = {200, 503} if path.endswith("options") else {503}
            yield HostileRequest(f"{name} to {path}", data, frozenset(allowed))
        data = http("POST", EDITS, body, content_type=f"multipart/form-data; boundary={BOUNDARY}")
        yield HostileRequest(f"{name} as form", data)


def large_requests() -> Iterator[HostileRequest]:
    """Yield bodies near the limit of their size that take long to search, and one above it."""
    bodies = {
        "empty texts": b"[" + b'""' * 30_000_000 + b"]",
        "long text": b'{"prompt": "' + b"a" * 60_000_000 + b'"}',
        "escapes": b'{"prompt": "' + b"\\u0041" * 10_000_000 + b'"}',
        "backslashes": b'{"prompt": "' + b"\\\\" * 30_000_000 + b'"}',
        "blanks": b" " * 60_000_000 + b"{}",
        "above the limit": b"[" * 68_000_000,
    }
    boundaries = b"--%s\r\n\r\n" % BOUNDARY.encode() + b"\r\n--guar" * 7_000_000
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    yield HostileRequest("boundaries", http("POST", EDITS, boundaries, content_type=content_type))
    for name, body in bodies.items():
        data = http("POST", GENERATIONS, body, content_type="application/json")
        yield HostileRequest(f"large: {name}", data)


def smuggled_requests() -> Iterator[HostileRequest]:
    """Yield bytes that one program reads as one request and another one as two."""
    start = b"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n"
    end = b"\r\n0\r\n\r\n"
    variants = {
        "both lengths": b"Content-Length: 6\r\n" + chunked + end + b"G",
        "both lengths, other order": chunked + b"Content-Length: 6\r\n" + end + b"G",
        "two lengths": b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "length with comma": b"Content-Length: 1, 2\r\n\r\nab",
        "bare line feeds": b"Content-Length: 1\n\nab",
        "carriage return alone": b"Content-Length: 1\r\rab",
        "space before colon": b"Transfer-Encoding : chunked\r\n" + end,
        "tab": b"Transfer-Encoding:\tchunked\r\n" + end,
        "vertical tab": b"Transfer-Encoding: \x0bchunked\r\n" + end,
        "two encodings": chunked + b"Transfer-Encoding: identity\r\n" + end,
        "quoted": b'Transfer-Encoding: "chunked"\r\n' + end,
        "folded": b"Transfer-Encoding:\r\n chunked\r\n" + end,
        "capital": b"Transfer-Encoding: CHUNKED\r\n" + end,
        "chunk extension": chunked + b'\r\n1;a="\r\n"\r\nx' + end,
        "chunk with line feeds": chunked + b"\r\n1\nx\n0\n\n",
        "chunk too long": chunked + b"\r\n1\r\nxy" + end,
        "chunk of a negative size": chunked + b"\r\n-1\r\nx" + end,
        "chunk of a huge size": chunked + b"\r\nffffffffffffffffff\r\nx" + end,
        "trailers": chunked + b"\r\n0\r\nContent-Length: 5\r\nHost: evil\r\n\r\n",
        "NUL in a header": b"X: a\0b\r\n\r\n",
        "line feed in a header": b"X: a\nContent-Length: 1\r\n\r\n",
        "two hosts": b"Host: evil\r\n\r\n",
    }
    hidden = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    for name, rest in variants.items():
        yield HostileRequest(name, start + rest + hidden, may_have_no_answer=True)
    for data in (b"\0" * 1000, b"\r\n" * 1000, b"\x16\x03\x01" * 300, b"GET", b"G" * 300_000, b""):
        yield HostileRequest(f"no HTTP: {data[:6]!r}", data, may_have_no_answer=True)


# Strategies

_NUMBERS = st.one_of(
    st.integers(max_value=0),
    st.integers(min_value=10_001),
    st.floats(),
    st.sampled_from(["1e9", "0x10", "１２", "1_0", " 1 ", "NaN", "∞", "1" * 5000]),
)
_TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["<lora:a:1>", "(a:1e99)", "[a|b]", "BREAK " * 9, "embedding:x", "\r\n\0"]),
)
_ODD: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
_OPENAI_FIELDS: dict[str, list[Any]] = {
    "model": [None, "demo", "x"],
    "n": [1, 2],
    "response_format": ["b64_json", "url"],
    "output_format": ["png", "jpeg", "webp"],
    "output_compression": [0, 100],
    "negative_prompt": ["", "blue"],
    "seed": [-1, 0, 7, None],
    "cfg_scale": [1, 5.5, 100],
    "guidance": [3.5],
    "sampler": ["euler", "Euler a"],
    "scheduler": ["default", "karras"],
    "stream": [True, False, "true"],
    "partial_images": [0, 3],
    "stream_options": [{"progress": True}, {}],
    "loras": [[], ["x"], [{"name": "x"}]],
    "upscale": [None, "x"],
    "hires": [None, 1.5],
    "clip_skip": [1, 2],
    "eta": [0, 1],
    "quality": ["auto"],
    "background": ["auto", "transparent"],
    "user": ["x"],
    "image": ["x"],
    "strength": [0.5],
}
_WEB_UI_FIELDS: dict[str, list[Any]] = {
    "negative_prompt": ["blue"],
    "seed": [-1, 7],
    "cfg_scale": [7],
    "sampler_name": ["Euler a"],
    "scheduler": ["Karras", "Automatic"],
    "batch_size": [1],
    "n_iter": [1],
    "denoising_strength": [0.5],
    "init_images": [[], ["x"]],
    "mask": ["x"],
    "mask_blur": [4],
    "inpainting_fill": [1],
    "override_settings": [{}, {"CLIP_stop_at_last_layers": 2}],
    "enable_hr": [False],
    "hr_scale": [1.5],
    "styles": [[]],
    "script_args": [[]],
    "send_images": [True, False],
    "alwayson_scripts": [{}],
    "infotext": ["x"],
}


def _payloads(
    fixed: Mapping[str, st.SearchStrategy[Any]], fields: Mapping[str, list[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    optional = {name: st.sampled_from(values) | _ODD for name, values in fields.items()}
    chosen = st.fixed_dictionaries({}, optional=optional)
    # Few at a time: one wrong value hides all others.
    few = st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)
    return st.builds(
        lambda always, values, names: {**always, **{n: values[n] for n in names if n in values}},
        st.fixed_dictionaries(dict(fixed)),
        chosen,
        few,
    )


def json_requests() -> st.SearchStrategy[HostileRequest]:
    """Return a strategy of drawings with odd values, which cost little if they are right."""
    prompt = st.just("a circle") | _ODD
    steps = st.just(1) | _NUMBERS
    openai = _payloads(
        {"prompt": prompt, "size": st.just(SIZE) | _ODD, "sample_steps": steps}, _OPENAI_FIELDS
    )
    side = st.just(64) | _NUMBERS
    web_ui = _payloads(
        {"prompt": prompt, "width": side, "height": side, "steps": steps}, _WEB_UI_FIELDS
    )
    return st.one_of(
        st.builds(_json_request, st.just(GENERATIONS), openai),
        st.builds(_json_request, st.sampled_from([TXT2IMG, IMG2IMG]), web_ui),
        st.builds(
            _json_request, st.just("/sdapi/v1/options"), st.dictionaries(st.text(max_size=9), _ODD)
        ),
    )


def _json_request(path: str, value: object) -> HostileRequest:
    return HostileRequest(f"{path} {value!r:.300}", post_json(path, value), frozenset({200, 503}))


def form_requests() -> st.SearchStrategy[HostileRequest]:
    """Return a strategy of forms: odd values, odd names, and damage to their bytes."""
    content = st.sampled_from([png(), png()[:50], b"", b"\0" * 50]) | st.binary(max_size=60)
    names = ["image", "image[]", "mask", "prompt", "n", "seed", "size", "strength", "loras", "x\0"]
    parts = st.dictionaries(
        st.sampled_from(names) | st.text("abc[].é", max_size=6), content | _TEXTS
    )
    base: dict[str, str | bytes] = {
        "prompt": "x",
        "size": SIZE,
        "sample_steps": "1",
        "image": png(),
    }
    return st.builds(
        _form_request, st.just(base), parts, st.binary(max_size=4), st.integers(0, 2000)
    )


def _form_request(
    base: dict[str, str | bytes], parts: dict[str, str | bytes], damage: bytes, place: int
) -> HostileRequest:
    data = bytearray(post_form(EDITS, base | parts))
    start = data.index(b"\r\n\r\n") + 4
    place = start + place % max(len(data) - start, 1)
    data[place : place + len(damage)] = damage[: len(data) - place]
    return HostileRequest(f"form {parts!r:.300}", bytes(data), frozenset({200, 503}))
