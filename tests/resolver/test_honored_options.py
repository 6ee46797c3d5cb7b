"""Each family honors the options that its network computes with, and names all others.

The table is what the engine's source does: which arguments of a drawing each network receives
(``src/diffusion_model.hpp``), which guidance it computes (``src/stable-diffusion.cpp``), and where
the edges are joined (``src/rope.hpp``). ``tests/engine/test_sampling_options.py`` shows for each
option that it changes a picture.
"""

from typing import Any

import pytest
from resolved_models import model

from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.options import SAMPLING_OPTIONS
from gpustack_draw.resolver.choose_settings import choose_settings
from gpustack_draw.resolver.families import FAMILIES

DRAWN = sorted(name for name, family in FAMILIES.items() if not family.why_not)
UNETS = {name for name in DRAWN if name.startswith(("sd1", "sd2", "sdx", "cosxl"))}
FLUX1 = {"flux1", "flux1-fill", "flux1-controls"}
LAYERED = {"sd3", *FLUX1, "chroma", "chroma-radiance", "flux2", "flux2-klein", "ovis-image"}
VAE_ONLY = {"sd3", "anima", "wan", "wan-ti2v"}

# By option: the families that honor it; an option that is not here is honored by all.
HONORED = {
    "guidance": {*FLUX1, "flux2"},
    "img_cfg_scale": {
        "sd1-inpaint", "sd1-pix2pix", "sd2-inpaint", "sdxl-inpaint", "cosxl-edit", "flux1-fill",
        "flux1-controls",
    },
    "clip_skip": {*UNETS, "sd3"},
    "flow_shift": set(DRAWN) - UNETS - {"flux2", "flux2-klein"},
    "tile": set(DRAWN) - VAE_ONLY,
    "skip_layers": LAYERED,
    "slg_scale": LAYERED,
    "skip_layer_start": LAYERED,
    "skip_layer_end": LAYERED,
}  # fmt: skip
VALUES: dict[str, Any] = {
    "sample_steps": 20,
    "cfg_scale": 3.0,
    "guidance": 2.0,
    "img_cfg_scale": 2.0,
    "clip_skip": 2,
    "eta": 0.5,
    "flow_shift": 2.0,
    "sigmas": (1.0, 0.5, 0.0),
    "skip_layers": (1,),
    "slg_scale": 3.0,
    "skip_layer_start": 0.1,
    "skip_layer_end": 0.9,
    "cache": "spectrum",
    "rng": "cpu",
    "tile": "x",
}
BESIDE: dict[str, dict[str, Any]] = {
    "eta": {"sampler": "euler_a"},
    **{
        name: {"skip_layers": (1,), "sample_steps": 20}
        for name in ("skip_layers", "slg_scale", "skip_layer_start", "skip_layer_end")
    },
}


@pytest.mark.parametrize("family", DRAWN)
@pytest.mark.parametrize("name", [option.name for option in SAMPLING_OPTIONS])
def test_an_option_is_honored_or_named(name: str, family: str) -> None:
    of, value = model(family), VALUES[name]
    options = {**BESIDE.get(name, {}), name: value}

    def choose() -> tuple[Any, tuple[str, ...]]:
        request = DrawRequest(prompt="a cat", size="native", **options)
        (settings,), notes = choose_settings(request, of)
        return getattr(settings, name), notes

    if family in HONORED.get(name, DRAWN):
        used, notes = choose()
        assert used == value
        assert not any(note.startswith(f"{name} has no effect") for note in notes)
    elif name == "tile":
        with pytest.raises(UsageError, match="cannot draw seamless pictures"):
            choose()
    else:
        used, notes = choose()
        assert used != value
        assert f"{name} has no effect: {of.family.title} does not take it" in notes
