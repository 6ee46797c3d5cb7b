"""The replies and the events of ``gpustack-draw serve``, as a stand-in backend sends them."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fake_models import plain_png

META = {
    "gpustack_draw": "0.2.0",
    "family": "flux2-klein",
    "samplers": ["euler", "heun", "er_sde"],
    "schedulers": ["discrete", "karras", "simple"],
    "streams": True,
    "size_multiple": 16,
    "max_width": 1024,
    "max_height": 768,
    "default_width": 256,
    "default_height": 256,
    "native_width": 320,
    "native_height": 256,
    "sample_method": "euler",
    "schedule_method": "discrete",
    "sampling_steps": 3,
    "cfg_scale": 1.0,
    "modes": ["txt2img", "img2img", "inpaint", "edit"],
    "image_use": "reference",
}
PREVIEW = plain_png(8, 8, (255, 128, 0))
_NUMBERS = ("sample_steps", "cfg_scale", "guidance", "eta", "strength")


def parameters_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the server reports for a request."""
    width, height = map(int, body["size"].split("x"))
    parameters: dict[str, Any] = {"width": width, "height": height}
    parameters |= {"sampler": body.get("sampler", "euler")}
    parameters |= {"scheduler": body.get("scheduler", "discrete"), "sample_steps": 3}
    parameters |= {name: body[name] for name in _NUMBERS if name in body}
    if "loras" in body:
        parameters["loras"] = [
            {**each, "weight": each.get("weight", 1), "hash": "0123456789ab"}
            for each in body["loras"]
        ]
    if "hires" in body:
        parameters["hires"] = {"scale": body["hires"], "width": 2 * width, "height": 2 * height}
        parameters["hires"] |= {"upscaler": "nearest", "steps": 2, "strength": 0.25}
    return parameters


def reply(body: Mapping[str, Any], picture: bytes) -> dict[str, Any]:
    """Return the reply to a request without a stream."""
    item = {"b64_json": _text(picture), "seed": body["seed"]}
    return {"created": 1, "data": [item], "parameters": parameters_of(body)}


def events(body: Mapping[str, Any], picture: bytes) -> Iterator[bytes]:
    """Yield the lines of a stream, comments included."""
    kind = "image_edit" if "mask_blur" in body or "strength" in body else "image_generation"
    options = body.get("stream_options", {})
    yield b": waiting"
    if options.get("progress"):
        yield _data({"type": f"{kind}.queued", "position": 1})
        yield _data({"type": f"{kind}.progress", "phase": "load", "step": 1, "steps": 2})
    for step in range(1, 4):
        yield f": step {step}/3".encode()
        if options.get("progress"):
            yield _data({"type": f"{kind}.progress", "phase": "sample", "step": step, "steps": 3})
        if options.get("previews"):
            yield _data({"type": f"{kind}.partial_image", "b64_json": _text(PREVIEW)})
    done = {"type": f"{kind}.completed", "b64_json": _text(picture), "index": 0}
    yield _data({**done, "seed": body["seed"], "parameters": parameters_of(body)})


def _data(event: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode()


def _text(picture: bytes) -> str:
    return base64.b64encode(picture).decode()
