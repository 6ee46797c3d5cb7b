"""Every picture of a request gets the role that the model was trained for, or is refused."""

from dataclasses import replace
from typing import Any

import pytest

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import UsageError
from gpustack_draw.resolver.choose_pictures import (
    NamedPictures,
    PictureRoles,
    choose_pictures,
    families_that_edit,
)
from gpustack_draw.resolver.families import FAMILIES, Family

EDITORS = "InstructPix2Pix, CosXL-Edit, FLUX.1 Kontext, FLUX.2 dev, FLUX.2 klein, Qwen-Image-Edit"


def edit_model(family: str, title: str) -> Family:
    (found,) = (model for model in FAMILIES[family].edit_models if model.title == title)
    return FAMILIES[family].as_edit_model(found)


KONTEXT = edit_model("flux1", "FLUX.1 Kontext")
QWEN_EDIT = edit_model("qwen-image", "Qwen-Image-Edit")
QWEN_2511 = edit_model("qwen-image", "Qwen-Image-Edit-2511")
WITH_NET = FAMILIES["sd1"].with_control_net()
ALONE = "{} was trained to work on a picture; without --image it draws from the prompt"
UNTRAINED = (
    "{} was not trained with reference pictures, which can spoil the drawing;"
    f" trained with them: {EDITORS}"
)


def choose(family: str | Family, **named: Any) -> PictureRoles[str]:
    found = FAMILIES[family] if isinstance(family, str) else family
    return choose_pictures(found, NamedPictures(**named))


ROLES: dict[str, tuple[str | Family, dict[str, Any], PictureRoles[str]]] = {
    "from the prompt": ("sd1", {}, PictureRoles(mode="txt2img")),
    "an editing model from the prompt": (
        KONTEXT,
        {},
        PictureRoles(mode="txt2img", notes=(ALONE.format("FLUX.1 Kontext"),)),
    ),
    "a model that also edits, from the prompt": (
        "flux2-klein",
        {},
        PictureRoles(mode="txt2img"),
    ),
    "a control model from the prompt": (
        "flux1-controls",
        {},
        PictureRoles(mode="txt2img", notes=(ALONE.format("FLUX.1 Control"),)),
    ),
    "start": ("sdxl", {"images": ("a",)}, PictureRoles(mode="img2img", start="a", strength=0.75)),
    "start, strength": (
        "z-image",
        {"images": ("a",), "strength": 0.4},
        PictureRoles(mode="img2img", start="a", strength=0.4),
    ),
    "strength 0": (
        "sd3",
        {"images": ("a",), "strength": 0.0},
        PictureRoles(mode="img2img", start="a", strength=0.0),
    ),
    "strength 1 of a flow model": (
        "sd3",
        {"images": ("a",), "strength": 1.0},
        PictureRoles(
            mode="img2img",
            start="a",
            strength=1.0,
            notes=("with --strength 1 nothing of the picture remains; lower values keep more",),
        ),
    ),
    "strength 1 of a UNet": (
        "sd1",
        {"images": ("a",), "strength": 1.0},
        PictureRoles(mode="img2img", start="a", strength=1.0),
    ),
    "strength 1 of a masked part": (
        "sd3",
        {"images": ("a",), "mask": "m", "strength": 1.0},
        PictureRoles(mode="inpaint", start="a", mask="m", strength=1.0),
    ),
    "mask": (
        "sd2",
        {"images": ("a",), "mask": "m"},
        PictureRoles(mode="inpaint", start="a", mask="m", strength=0.75),
    ),
    "expand": (
        "chroma",
        {"images": ("a",), "expands": True},
        PictureRoles(mode="inpaint", start="a", strength=0.75),
    ),
    "inpainting model": (
        "sdxl-inpaint",
        {"images": ("a",), "mask": "m"},
        PictureRoles(mode="inpaint", start="a", mask="m", strength=1.0),
    ),
    "inpainting model, strength": (
        "sd1-inpaint",
        {"images": ("a",), "mask": "m", "strength": 0.5},
        PictureRoles(mode="inpaint", start="a", mask="m", strength=0.5),
    ),
    "Fill, expand": (
        "flux1-fill",
        {"images": ("a",), "expands": True},
        PictureRoles(mode="inpaint", start="a", strength=1.0),
    ),
    "control model, mask and control": (
        "flux1-controls",
        {"images": ("a",), "mask": "m", "control": "c"},
        PictureRoles(mode="inpaint", start="a", mask="m", control="c", strength=0.75),
    ),
    "edit": (
        KONTEXT,
        {"images": ("a",)},
        PictureRoles(
            mode="edit",
            references=("a",),
            explanation="FLUX.1 Kontext edits the picture; with --strength it starts from it"
            " instead",
        ),
    ),
    "edit two": (
        QWEN_2511,
        {"images": ("a", "b")},
        PictureRoles(
            mode="edit",
            references=("a", "b"),
            explanation="Qwen-Image-Edit-2511 edits the pictures; with --strength it starts from"
            " one",
        ),
    ),
    "edit more than trained with": (
        QWEN_EDIT,
        {"references": ("a", "b")},
        PictureRoles(
            mode="edit",
            references=("a", "b"),
            notes=("Qwen-Image-Edit was trained with one reference picture, and 2 are named",),
        ),
    ),
    "edit four": (
        QWEN_2511,
        {"references": ("a", "b", "c", "d")},
        PictureRoles(
            mode="edit",
            references=("a", "b", "c", "d"),
            notes=(
                "Qwen-Image-Edit-2511 was trained with up to 3 reference pictures, and 4 are named",
            ),
        ),
    ),
    "image before references": (
        "flux2",
        {"images": ("a",), "references": ("b", "c")},
        PictureRoles(
            mode="edit",
            references=("a", "b", "c"),
            explanation="FLUX.2 dev edits the picture; with --strength it starts from it instead",
        ),
    ),
    "editing model starts": (
        "flux2-klein",
        {"images": ("a",), "strength": 0.6},
        PictureRoles(mode="img2img", start="a", strength=0.6),
    ),
    "editing model starts, and looks at another picture": (
        "flux2-klein",
        {"images": ("a",), "mask": "m", "references": ("b",)},
        PictureRoles(mode="inpaint", start="a", mask="m", references=("b",), strength=0.75),
    ),
    "Kontext numbers several": (
        KONTEXT,
        {"references": ("a", "b")},
        PictureRoles(
            mode="edit",
            references=("a", "b"),
            increase_ref_index=True,
            notes=("FLUX.1 Kontext was trained with one reference picture, and 2 are named",),
        ),
    ),
    "references of an untrained model": (
        "flux1",
        {"references": ("a",)},
        PictureRoles(mode="edit", references=("a",), notes=(UNTRAINED.format("FLUX.1"),)),
    ),
    "pix2pix": (
        "sd1-pix2pix",
        {"images": ("a",)},
        PictureRoles(
            mode="edit",
            references=("a",),
        ),
    ),
    "CosXL-Edit": (
        "cosxl-edit",
        {"images": ("a",)},
        PictureRoles(
            mode="edit",
            references=("a",),
            explanation="CosXL-Edit edits the picture; with --strength it also starts from it",
        ),
    ),
    "CosXL-Edit starts": (
        "cosxl-edit",
        {"images": ("a",), "strength": 0.9},
        PictureRoles(mode="img2img", start="a", references=("a",), strength=0.9),
    ),
    "pix2pix, reference": (
        "sd1-pix2pix",
        {"references": ("a",)},
        PictureRoles(mode="edit", references=("a",)),
    ),
    "CosXL-Edit starts from another picture": (
        "cosxl-edit",
        {"images": ("a",), "references": ("b",), "strength": 0.9},
        PictureRoles(mode="img2img", start="a", references=("b",), strength=0.9),
    ),
    "control": (
        "flux1-controls",
        {"images": ("a",)},
        PictureRoles(
            mode="control",
            control="a",
            explanation="FLUX.1 Control follows the picture as a control picture; with --strength"
            " it starts from it",
        ),
    ),
    "control by its own option": (
        "flux1-controls",
        {"control": "c"},
        PictureRoles(mode="control", control="c"),
    ),
    "ControlNet": (WITH_NET, {"control": "c"}, PictureRoles(mode="control", control="c")),
    "ControlNet and start": (
        WITH_NET,
        {"images": ("a",), "control": "c", "control_strength": 0.5},
        PictureRoles(mode="img2img", start="a", control="c", strength=0.75),
    ),
    "ControlNet without its picture": (
        WITH_NET,
        {"images": ("a",)},
        PictureRoles(
            mode="img2img",
            start="a",
            strength=0.75,
            notes=("--control-net has no effect without --control-image",),
        ),
    ),
    "strength of a control model": (
        "flux1-controls",
        {"control": "c", "control_strength": 0.5},
        PictureRoles(
            mode="control",
            control="c",
            notes=("--control-strength 0.5 has no effect: FLUX.1 Control does not take it",),
        ),
    ),
    "control and start": (
        "flux1-controls",
        {"images": ("a",), "control": "c"},
        PictureRoles(mode="img2img", start="a", control="c", strength=0.75),
    ),
}


@pytest.mark.parametrize(("family", "named", "roles"), ROLES.values(), ids=ROLES)
def test_role(family: str | Family, named: dict[str, Any], roles: PictureRoles[str]) -> None:
    found = choose(family, **named)
    notes = tuple(map(with_options, found.notes))
    explanation = with_options(found.explanation)
    assert replace(found, explanation=explanation, notes=notes) == roles


ELEVEN = tuple("abcdefghijk")
DO = f"models that do: {EDITORS}"
OR_START = f"{DO}, or name one picture with --image to start from it"
REFUSALS: dict[str, tuple[str | Family, dict[str, Any], str, str]] = {
    "mask alone": (
        "sd1",
        {"mask": "m"},
        "--mask needs the picture whose part it marks",
        "name the picture with --image",
    ),
    "mask beside a reference": (
        "flux2",
        {"mask": "m", "references": ("a",)},
        "--mask needs the picture whose part it marks",
        "name the picture with --image",
    ),
    "expand alone": (
        "sd1",
        {"expands": True},
        "--expand needs the picture to expand",
        "name the picture with --image",
    ),
    "strength alone": (
        "sd1",
        {"strength": 0.0},
        "--strength needs the picture to start from",
        "name the picture with --image",
    ),
    "ignored reference": (
        "sdxl",
        {"references": ("a",)},
        "Stable Diffusion XL takes no reference pictures",
        OR_START,
    ),
    "crash of Z-Image": (
        "z-image",
        {"references": ("a",)},
        "Z-Image takes no reference pictures",
        OR_START,
    ),
    "crash of Radiance": (
        "chroma-radiance",
        {"images": ("a",), "references": ("a",)},
        "Chroma Radiance takes no reference pictures",
        OR_START,
    ),
    "picture of Wan": (
        "wan",
        {"images": ("a",)},
        "Wan takes no pictures here: it draws from the prompt alone",
        f"models that edit pictures: {EDITORS}",
    ),
    "reference of Wan": (
        "wan-ti2v",
        {"references": ("a",)},
        "Wan 2.2 TI2V takes no pictures here: it draws from the prompt alone",
        f"models that edit pictures: {EDITORS}",
    ),
    "control of another family": (
        "flux1",
        {"control": "c"},
        "FLUX.1 takes no control picture",
        "models that do: FLUX.1 Control; and Stable Diffusion 1 and 2 with --control-net",
    ),
    "control without a ControlNet": (
        "sd1",
        {"control": "c"},
        "Stable Diffusion 1 follows a control picture with a ControlNet, and none is named",
        "name it with --control-net",
    ),
    "inpainting model without picture": (
        "sd1-inpaint",
        {},
        "Stable Diffusion 1 inpainting redraws a part of a picture, and no picture is named",
        "name it with --image, and the part with --mask",
    ),
    "inpainting model without mask": (
        "flux1-fill",
        {"images": ("a",), "strength": 0.5},
        "FLUX.1 Fill redraws a part of a picture, and no mask is named",
        "name it with --mask, or use --expand",
    ),
    "pix2pix without picture": (
        "sd1-pix2pix",
        {},
        "InstructPix2Pix edits a picture, and none is named",
        "name it with --image",
    ),
    "pix2pix starts": (
        "sd1-pix2pix",
        {"images": ("a",), "strength": 0.9},
        "InstructPix2Pix edits a whole picture and cannot start from it",
        "leave --strength out",
    ),
    "pix2pix with a mask": (
        "sd1-pix2pix",
        {"images": ("a",), "mask": "m"},
        "InstructPix2Pix edits a whole picture and cannot start from it",
        "leave --mask out",
    ),
    "pix2pix of two pictures": (
        "cosxl-edit",
        {"images": ("a", "b")},
        "2 reference pictures are named, and CosXL-Edit takes 1",
        "name fewer of them",
    ),
    "two starts": (
        "sd1",
        {"images": ("a", "b")},
        "Stable Diffusion 1 starts from one picture, and 2 are named",
        "name it with --image",
    ),
    "two starts of an editing model": (
        "flux2",
        {"images": ("a", "b", "c"), "mask": "m"},
        "FLUX.2 dev starts from one picture, and 3 are named",
        "name it with --image, and the others with --ref-image",
    ),
    "two control pictures": (
        "flux1-controls",
        {"images": ("a", "b")},
        "FLUX.1 Control takes one control picture, and 2 are named",
        "name one with --image",
    ),
    "too many references": (
        "flux2",
        {"references": ELEVEN},
        "11 reference pictures are named, and FLUX.2 dev takes 10",
        "name fewer of them",
    ),
    "too many images to edit": (
        "flux2",
        {"images": ELEVEN},
        "11 reference pictures are named, and FLUX.2 dev takes 10",
        "name fewer of them",
    ),
}


@pytest.mark.parametrize(("family", "named", "message", "hint"), REFUSALS.values(), ids=REFUSALS)
def test_refusal(family: str | Family, named: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(family, **named)
    error = caught.value
    assert (with_options(error.message), with_options(error.hint)) == (message, hint)
    assert error.argument is not None


@pytest.mark.parametrize("name", [name for name, one in FAMILIES.items() if not one.why_not])
def test_what_the_engine_ignores_or_crashes_on_is_never_passed(name: str) -> None:
    """Only networks that read references, or a control picture, may get one."""
    read_references = {
        *("flux1", "flux1-fill", "flux1-controls", "flex2", "chroma", "flux2", "flux2-klein"),
        *("qwen-image", "ovis-image", "sd1-pix2pix", "cosxl-edit"),
    }
    start = {"images": ("a",), "mask": "m"} if FAMILIES[name].pictures.start else {}
    for extra, takers in (
        ({"references": ("r",)}, read_references),
        ({"control": "c"}, {"flux1-controls"}),
    ):
        if name in takers:
            assert choose(name, **start, **extra)
        else:
            with pytest.raises(UsageError):
                choose(name, **start, **extra)


def test_models_that_edit_are_named_once() -> None:
    assert ", ".join(families_that_edit()) == EDITORS
