"""Fields of any JSON value are read or refused, never more."""

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from web_ui_exchange import base64_png

from gpustack_draw.errors import UsageError
from gpustack_draw.serve.webui import extras, krita
from gpustack_draw.serve.webui.body import Body
from gpustack_draw.serve.webui.picture_request import image_to_image, text_to_image

_FIELDS = re.findall(
    r"\w+",
    """
    prompt negative_prompt width height steps cfg_scale distilled_cfg_scale image_cfg_scale eta
    sampler_name sampler_index scheduler seed n_iter batch_size clip_skip tiling override_settings
    enable_hr hr_scale hr_resize_x hr_resize_y hr_upscaler hr_second_pass_steps denoising_strength
    init_images mask mask_blur inpainting_mask_invert inpaint_full_res inpaint_full_res_padding
    resize_mode script_name alwayson_scripts styles send_images include_init_images restore_faces
    infotext upscaler_1 upscaling_resize upscaling_resize_w upscaling_resize_h upscaling_crop image
    src_img mask_img is_inpaint invert_mask orig_width orig_height base_size max_size do_exact_steps
    """,
)
_READERS = {
    "txt2img": text_to_image,
    "img2img": image_to_image,
    "txt2img of Krita": krita.read_text_to_image,
    "img2img of Krita": krita.read_image_to_image,
    "png-info": extras.read_info,
    "extra-single-image": lambda fields: extras.read_enlargement(Body(fields)),
}


def _picture() -> str:
    return base64_png(Image.new("RGB", (8, 8)))


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(),
    st.text("aE <>:,/\\\x00é0-.", max_size=20),
    st.sampled_from(
        ["0", "1", "-1", "1e999", "nan", "true", "None", "Euler a", "data:,", _picture()]
    ),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["sd_model_checkpoint", "data", "args", "x"]), inner),
    ),
    max_leaves=6,
)
_bodies = st.dictionaries(st.sampled_from(_FIELDS), _values, max_size=8)


@pytest.mark.parametrize("name", _READERS)
@settings(max_examples=100)
@given(values=_bodies)
def test_any_value_is_read_or_refused(name: str, values: dict[str, Any]) -> None:
    with contextlib.suppress(UsageError):
        _READERS[name](values)
