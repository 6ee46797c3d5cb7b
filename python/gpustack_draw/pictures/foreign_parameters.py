"""Read pictures of programs that do not use the form of web UIs.

The optional package sd-parsers reads some of them. Its input is bounded, and its results and
exceptions are not trusted.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import phrase
from gpustack_draw.pictures.infotext import ParametersText
from gpustack_draw.pictures.picture_texts import PictureText
from gpustack_draw.untrusted import parse_json

INSTALL_HINT = "install it: pip install 'gpustack-draw[pictures]'"
_BY_HAND_HINT = phrase("type its prompt and settings yourself, such as {seed=N}")

_MAX_PAIRS = 20  # in a chain of nodes; the graph may have a cycle

# Names of texts that hold JSON.
_JSON_NAMES = ("parameters", "usercomment", "imagedescription", "comment", "xmp", "prompt")


@dataclass(frozen=True)
class ForeignPicture:
    """A picture of a program that does not use the form of web UIs.

    Attributes:
        program: Name of the program.
        parser: Class of sd-parsers that reads its pictures; empty for none.
        texts: Input of that class.
        text: The text that holds the values.
    """

    program: str
    parser: str
    texts: Mapping[str, str]
    text: str


def find_foreign(texts: Sequence[PictureText]) -> ForeignPicture | None:
    """Return a picture whose program is recognized by its texts; ``None`` for unknown programs.

    Args:
        texts: The texts of the picture.
    """
    by_name: dict[str, str] = {}
    for text in texts:
        by_name.setdefault(text.name.lower(), text.text)
    if by_name.keys() & {"invokeai_metadata", "invokeai_graph", "sd-metadata", "dream"}:
        names = {"invokeai_metadata": "", "sd-metadata": "", "dream": "Dream"}
        passed = {names[name] or name: by_name[name] for name in names if name in by_name}
        passed = {name: _without_long_blanks(text) for name, text in passed.items()}
        return ForeignPicture("InvokeAI", "InvokeAIParser", passed, next(iter(passed.values()), ""))
    if "novelai" in by_name.get("software", "").lower():
        passed = {
            "Comment": by_name.get("comment", ""),
            "Description": by_name.get("description", ""),
            "Source": by_name.get("source", "")[:200],
        }
        return ForeignPicture("NovelAI", "NovelAIParser", passed, passed["Comment"])
    if {"prompt", "num_inference_steps"} <= by_name.keys():
        return ForeignPicture("Easy Diffusion", "", {}, by_name["prompt"])
    return _find_json(by_name)


def _find_json(by_name: Mapping[str, str]) -> ForeignPicture | None:
    """Return a picture whose program is recognized by its JSON; ``None`` for unknown programs."""
    # WebP files of ComfyUI hold "prompt:{...}" in an EXIF field.
    candidates = [text for name, text in by_name.items() if name in _JSON_NAMES]
    for name in ("make", "model", "imagedescription"):
        start, colon, rest = by_name.get(name, "").partition(":")
        if colon and start.lower() == "prompt":
            candidates.append(rest)
    for text in candidates:
        found = json_object(text)
        for recognize in _RECOGNIZERS if found else ():
            foreign = recognize(found, text)
            if foreign is not None:
                return foreign
    if "workflow" in by_name and json_object(by_name["workflow"]):
        return ForeignPicture("ComfyUI", "", {}, by_name["workflow"])
    return None


def json_object(text: str) -> dict[str, Any]:
    """Return a parsed JSON object; an empty one for any other text."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        parsed = parse_json(text.encode())
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _comfyui(graph: dict[str, Any], text: str) -> ForeignPicture | None:
    nodes = [node for node in graph.values() if isinstance(node, dict)]
    if not nodes or not all("class_type" in node for node in nodes):
        return None
    _bypass_pairs(graph)
    # The format of the links in "workflow" depends on the version, and that text may be missing.
    # The graph in "prompt" has the links, too.
    links = [
        [number, *link, target, 0, name.upper()]
        for target, node in graph.items()
        for number, (name, link) in enumerate(_inputs(node).items())
        if _is_link(link)
    ]
    for node in nodes:
        inputs = _inputs(node)
        if "sampler_name" not in inputs and _is_link(inputs.get("model")):
            del inputs["model"]  # sd-parsers would use the link as the model's name
    passed = {"prompt": json.dumps(graph), "workflow": json.dumps({"links": links})}
    return ForeignPicture("ComfyUI", "ComfyUIParser", passed, text)


def _bypass_pairs(graph: dict[str, Any]) -> None:
    """Bypass the nodes that forward both prompts, such as ControlNet's.

    Behind such a node, sd-parsers confuses the prompt with the negative prompt.
    """
    pairs = {
        key: (inputs["positive"], inputs["negative"])
        for key, inputs in ((key, _inputs(node)) for key, node in graph.items())
        if _is_link(inputs.get("positive")) and _is_link(inputs.get("negative"))
    }
    for node in graph.values():
        inputs = _inputs(node)
        for name, link in inputs.items():
            for _ in range(_MAX_PAIRS):
                if not _is_link(link) or link[0] not in pairs or link[1] not in (0, 1):
                    break
                if name not in ("positive", "negative", "conditioning"):
                    break
                link = inputs[name] = pairs[link[0]][link[1]]  # noqa: PLW2901 - follows the chain


def _is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _inputs(node: object) -> dict[str, Any]:
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def _fooocus(found: dict[str, Any], text: str) -> ForeignPicture | None:
    if not str(found.get("version", "")).startswith("Fooocus"):
        return None
    # Some versions omit it, and sd-parsers requires it.
    passed = json.dumps({"base_model_hash": "", **found})
    return ForeignPicture("Fooocus", "FooocusParser", {"parameters": passed}, text)


def _unread(program: str, *names: str) -> Callable[[dict[str, Any], str], ForeignPicture | None]:
    """Return a function that recognizes an unsupported program by names in its JSON."""

    def recognize(found: dict[str, Any], text: str) -> ForeignPicture | None:
        return ForeignPicture(program, "", {}, text) if set(names) <= found.keys() else None

    return recognize


_RECOGNIZERS = (
    _comfyui,
    _fooocus,
    _unread("SwarmUI", "sui_image_params"),
    _unread("mflux", "mflux_version"),
    _unread("Easy Diffusion", "prompt", "num_inference_steps"),
    _unread("Draw Things", "c", "uc", "v2"),
    _unread("InvokeAI", "app_version", "positive_prompt"),
)


def _without_long_blanks(text: str) -> str:
    # A pattern of sd-parsers takes the square of their length.
    return re.sub(r"\s{20,}", " ", text)


# --- sd-parsers -----------------------------------------------------------------------------------


def read_foreign(foreign: ForeignPicture, label: str) -> ParametersText:
    """Read a picture of another program.

    Args:
        foreign: The picture.
        label: Name of the picture in messages.

    Returns:
        Its values by their names in web UIs.

    Raises:
        UsageError: Its form is not supported, or sd-parsers is not installed.
    """
    if not foreign.parser:
        raise UsageError(
            f"{label} was written by {foreign.program}, whose pictures are not supported",
            hint=_BY_HAND_HINT,
        )
    try:
        from sd_parsers import parsers
    except ImportError:
        raise UsageError(
            f"{label} was written by {foreign.program}, whose pictures need the package sd-parsers",
            hint=INSTALL_HINT,
        ) from None
    try:
        information = getattr(parsers, foreign.parser)().parse(dict(foreign.texts))
        read = _convert(information)
    except Exception:  # third-party code on untrusted data can raise anything
        read = None
    if read is None:
        raise UsageError(
            f"{label} was written by {foreign.program}, in a form that is not supported",
            hint=_BY_HAND_HINT,
        )
    return read


def _convert(information: Any) -> ParametersText | None:
    """Return the result of sd-parsers as values of web UIs; ``None`` without a prompt."""
    samplers = [one for one in information.samplers if one.prompts]
    if not samplers:
        return None
    sampler, *further = samplers  # later ones refine the first one's picture
    prompts = [one.value for one in sampler.prompts]
    negative_prompts = [one.value for one in sampler.negative_prompts]
    if not all(isinstance(text, str) for text in (*prompts, *negative_prompts)):
        return None
    if set(sampler.prompts) & set(sampler.negative_prompts):
        return None  # the two are confused
    nodes = sampler.model.metadata if sampler.model else {}
    values = {**nodes, **information.metadata, **sampler.parameters}
    values.pop("id", None)
    if values.get("denoise") == 1:
        del values["denoise"]
    pairs = {
        "Steps": values.pop("steps", None),
        "Sampler": sampler.name,
        "Schedule type": values.pop("scheduler", values.pop("noise_schedule", None)),
        "CFG scale": values.pop("cfg_scale", None),
        "Seed": values.pop("seed", values.pop("noise_seed", None)),
        "Size": _take_size(values),
        "Model": _take_model(sampler.model, values),
        "Further samplers": ", ".join(str(one.name) for one in further) or None,
        "Version": values.pop("version", values.pop("app_version", None)),
    }
    texts = {name: _text(value) for name, value in {**values, **pairs}.items()}
    return ParametersText(
        ", ".join(prompts),
        ", ".join(negative_prompts),
        {str(name): text for name, text in texts.items() if text},
    )


def _take_size(values: dict[Any, Any]) -> str | None:
    """Remove and return the size: two values, one, or ComfyUI's node of an empty latent."""
    if "width" in values and "height" in values:
        return f"{values.pop('width')}x{values.pop('height')}"
    if "resolution" in values:  # Fooocus: "(896, 1152)"
        return "x".join(re.findall("[0-9]+", str(values.pop("resolution"))))
    for name, nodes in values.items():
        if "latent" in str(name).lower() and isinstance(nodes, list) and len(nodes) == 1:
            node = values.pop(name)[0]
            return f"{node.get('width')}x{node.get('height')}"
    return None


def _take_model(model: Any, values: dict[Any, Any]) -> str | None:
    if model is not None:
        return _text(model.name)
    for name, nodes in values.items():  # ComfyUI's loaders of diffusion models
        if isinstance(nodes, list) and len(nodes) == 1 and "unet_name" in nodes[0]:
            return _text(values.pop(name)[0]["unet_name"])
    return None


def _text(value: object) -> str:
    """Return a JSON value as text: empty for none, JSON for lists and objects."""
    if value is None or value in ("", [], {}):
        return ""
    return value if isinstance(value, str) else json.dumps(value)
