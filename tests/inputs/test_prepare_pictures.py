"""Tests of the whole preparation: what the engine gets, and what becomes of what it draws."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from input_files import encoded, noise
from PIL import Image

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.picture_rules import PictureRules
from gpustack_draw.inputs.prepare_pictures import PreparedPictures, prepare_pictures
from gpustack_draw.inputs.source_pictures import read_pictures
from gpustack_draw.request.picture_options import PictureOptions

SD1 = PictureRules(size_multiple=64, native_size=(512, 512))
FLUX2 = PictureRules(size_multiple=16, native_size=(1024, 1024))
QWEN = PictureRules(size_multiple=16, native_size=(1328, 1328), reference_multiple=32)
PIX2PIX = PictureRules(size_multiple=64, native_size=(512, 512), references_as_drawn=True)
DEMO = PictureRules(size_multiple=16, native_size=(128, 128))


SMALL_RULES = [
    replace(rules, native_size=(128, 128)) for rules in (SD1, FLUX2, QWEN, PIX2PIX, DEMO)
]


def prepare(
    rules: PictureRules = SD1,
    size: tuple[int, int] | None = None,
    *,
    edits: bool = False,
    **options: object,
) -> PreparedPictures:
    """Read and prepare pictures.

    Args:
        rules: The sizes that the model needs.
        size: Width and height to draw; ``None`` for those of the picture.
        edits: Use the picture to change as a reference.
        options: Fields of PictureOptions.
    """
    sources = read_pictures(PictureOptions(**options))  # type: ignore[arg-type]
    start = None if edits or not sources.images else sources.images[0]
    return prepare_pictures(
        sources.options,
        rules,
        start=start,
        references=(*(sources.images if edits else ()), *sources.references),
        mask=sources.mask,
        control=sources.control,
        size=size,
    )


def rectangle(width: int, height: int, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return a mask with a white rectangle: left, top, right, bottom."""
    mask = np.zeros((height, width), np.uint8)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = 255
    return mask


# --- image to image -------------------------------------------------------------------------------


def test_a_picture_that_fits_reaches_the_engine_unchanged() -> None:
    pixels = noise(512, 512)
    prepared = prepare(image=pixels)
    assert np.array_equal(prepared.engine.image, pixels)
    assert (prepared.engine.mask, prepared.engine.control) == (None, None)
    assert prepared.engine.references == ()
    assert prepared.size == prepared.result_size == (512, 512)
    assert prepared.notes == ()
    drawn = noise(512, 512, 1)
    assert prepared.finish(drawn) is drawn


def test_a_picture_is_cropped_to_the_multiple_and_not_scaled() -> None:
    pixels = noise(500, 390)
    prepared = prepare(image=pixels)
    assert prepared.size == (448, 384)
    assert np.array_equal(prepared.engine.image, pixels[3:387, 26:474])
    assert prepared.notes == (
        "the picture is cropped from 500x390 to 448x384: this model needs multiples of 64",
    )


def test_a_picture_larger_than_the_model_was_trained_for_is_scaled_down() -> None:
    prepared = prepare(image=noise(1600, 1200))
    assert prepared.size == (576, 384)
    note = "the picture is scaled from 1600x1200 to 576x384, near the size that the model was"
    assert prepared.notes == (f"{note} trained for, 512x512",)


@pytest.mark.parametrize(
    ("fit", "note"),
    [
        (None, "the picture is cropped from 600x300 to 512x512: fit='pad' keeps all of it"),
        ("crop", None),
        ("pad", None),
        ("stretch", None),
    ],
)
def test_a_size_of_another_shape_crops_unless_chosen_otherwise(
    fit: str | None, note: str | None
) -> None:
    prepared = prepare(image=noise(600, 300), fit=fit, size=(512, 512))
    assert prepared.engine.image is not None
    assert prepared.engine.image.shape == (512, 512, 3)
    assert prepared.notes == (() if note is None else (note,))
    if note:
        assert "--fit pad keeps all of it" in with_options(prepared.notes[0])


# --- masks ----------------------------------------------------------------------------------------


def check_outside(
    prepared: PreparedPictures, original: np.ndarray, mask: np.ndarray, blur: int
) -> np.ndarray:
    """Check the pixels outside the mask and its blur, and return those of the mask."""
    drawn = noise(*prepared.size, 99)
    result = prepared.finish(drawn)
    assert result.shape == original.shape
    ys, xs = np.nonzero(mask)
    reach = 2 * blur
    changed = np.any(result != original, axis=2)
    if changed.any():
        changed_ys, changed_xs = np.nonzero(changed)
        assert ys.min() - reach <= changed_ys.min()
        assert changed_ys.max() <= ys.max() + reach
        assert xs.min() - reach <= changed_xs.min()
        assert changed_xs.max() <= xs.max() + reach
    return result[mask == 255]


def test_the_mask_reaches_the_engine_and_the_rest_stays_equal_to_the_bit() -> None:
    pixels, mask = noise(512, 512), rectangle(512, 512, (100, 150, 300, 280))
    prepared = prepare(image=pixels, mask=mask)
    assert np.array_equal(prepared.engine.mask, mask)
    assert np.array_equal(prepared.engine.image, pixels)
    inside = check_outside(prepared, pixels, mask, 4)
    assert np.array_equal(inside, noise(512, 512, 99)[mask == 255])
    hard = prepare(image=pixels, mask=mask, mask_blur=0)
    assert np.array_equal(
        hard.finish(noise(512, 512, 99)),
        np.where(mask[:, :, None] > 0, noise(512, 512, 99), pixels),
    )


def test_a_mask_is_fitted_like_its_picture() -> None:
    pixels, mask = noise(500, 390), rectangle(500, 390, (100, 100, 200, 200))
    prepared = prepare(image=pixels, mask=mask)
    assert np.array_equal(prepared.engine.mask, mask[3:387, 26:474])
    assert prepared.result_size == (448, 384)
    check_outside(prepared, pixels[3:387, 26:474], mask[3:387, 26:474], 4)


def test_a_scaled_picture_with_a_mask_has_a_note_on_keeping_its_size() -> None:
    mask = rectangle(1600, 1200, (0, 0, 300, 300))
    prepared = prepare(image=noise(1600, 1200), mask=mask)
    note = "the picture is scaled from 1600x1200 to 576x384, near the size that the model was"
    assert prepared.notes == (f"{note} trained for, 512x512; masked_only keeps its size",)


def test_a_mask_that_is_cut_off_is_refused() -> None:
    mask = rectangle(600, 300, (0, 0, 40, 300))
    with pytest.raises(UsageError) as caught:
        prepare(image=noise(600, 300), mask=mask, size=(512, 512))
    assert caught.value.message == "the area to redraw is cut off: nothing to redraw"
    assert caught.value.hint == "keep it with fit='pad', or choose a size of another shape"
    assert prepare(image=noise(600, 300), mask=mask, size=(512, 512), fit="pad").engine.mask.any()


def test_erased_areas_start_from_the_colors_around_them() -> None:
    array = np.full((512, 512, 4), (10, 200, 30, 255), np.uint8)
    array[200:300, 200:300] = (255, 0, 255, 0)
    prepared = prepare(image=array, mask="alpha")
    assert np.array_equal(prepared.engine.mask, rectangle(512, 512, (200, 200, 300, 300)))
    assert prepared.engine.image is not None
    assert np.abs(prepared.engine.image.astype(int) - (10, 200, 30)).max() <= 1
    inverted = prepare(image=array, mask="alpha", mask_invert=True)
    assert inverted.engine.image[250, 250].tolist() == [255, 255, 255]
    assert inverted.engine.mask[250, 250] == 0


# --- the masked area alone ------------------------------------------------------------------------


def check_inside(scaled: np.ndarray, part: np.ndarray) -> None:
    """Compare a scaled part with the part alone, whose edges differ: they lack their neighbors."""
    size = (scaled.shape[1], scaled.shape[0])
    expected = np.array(Image.fromarray(part).resize(size, Image.Resampling.LANCZOS))
    edge = 3 * max(size) // min(part.shape[:2])
    difference = scaled.astype(int) - expected
    assert np.abs(difference[edge:-edge, edge:-edge]).max() <= 1
    assert np.abs(difference).mean() < 10


def test_the_masked_area_is_drawn_at_the_native_size_and_pasted() -> None:
    pixels, mask = noise(1600, 1200), rectangle(1600, 1200, (700, 500, 800, 560))
    prepared = prepare(image=pixels, mask=mask, masked_only=True)
    assert prepared.size == (512, 512)  # the part is 164x164
    assert prepared.result_size == (1600, 1200)
    assert prepared.engine.image is not None
    check_inside(prepared.engine.image, pixels[448:612, 668:832])
    share = (prepared.engine.mask > 0).mean()
    assert share == pytest.approx(100 * 60 / 164**2, rel=0.05)
    check_outside(prepared, pixels, mask, 4)
    flat = prepared.finish(np.full((512, 512, 3), 77, np.uint8))
    assert (flat[mask == 255] == 77).all()
    assert prepared.notes == ()


def test_the_masked_area_of_a_part_of_the_same_size_is_not_scaled() -> None:
    pixels, mask = noise(900, 700), rectangle(900, 700, (320, 250, 460, 370))
    prepared = prepare(image=pixels, mask=mask, masked_only=186)
    assert prepared.size == (512, 512)
    left, top = 320 - 186, (250 + 370) // 2 - 256
    assert np.array_equal(prepared.engine.image, pixels[top : top + 512, left : left + 512])
    drawn = noise(512, 512, 5)
    result = prepared.finish(drawn)
    assert np.array_equal(
        result[250:370, 320:460], drawn[250 - top : 370 - top, 320 - left : 460 - left]
    )


def test_the_part_follows_the_chosen_size() -> None:
    pixels, mask = noise(900, 700), rectangle(900, 700, (400, 300, 440, 340))
    prepared = prepare(image=pixels, mask=mask, masked_only=0, mask_blur=0, size=(512, 256))
    assert prepared.size == (512, 256)
    assert prepared.engine.image is not None
    check_inside(prepared.engine.image, pixels[300:340, 380:460])


def test_a_part_at_the_edge_lies_in_the_picture() -> None:
    pixels, mask = noise(640, 480), rectangle(640, 480, (0, 440, 30, 480))
    prepared = prepare(image=pixels, mask=mask, masked_only=True)
    assert prepared.size == (512, 512)
    check_outside(prepared, pixels, mask, 4)


def test_a_part_of_a_flat_picture_keeps_its_shape() -> None:
    pixels, mask = noise(1000, 200), rectangle(1000, 200, (100, 0, 700, 200))
    prepared = prepare(image=pixels, mask=mask, masked_only=0)
    assert prepared.size == (896, 320)  # the part is 616x200
    check_outside(prepared, pixels, mask, 4)


def test_a_large_masked_area_has_a_note() -> None:
    mask = rectangle(2000, 2000, (100, 100, 1900, 1900))
    prepared = prepare(image=noise(2000, 2000), mask=mask, masked_only=True)
    assert prepared.notes == ("the masked area of 1864x1864 is drawn in 512x512 and scaled up",)


# --- outpainting ----------------------------------------------------------------------------------


def test_an_expanded_picture_keeps_its_pixels_to_the_bit() -> None:
    pixels = noise(128, 128)
    prepared = prepare(DEMO, image=pixels, expand="0,128,0,0", mask_blur=0)
    assert prepared.size == (256, 128)
    assert np.array_equal(prepared.engine.mask, rectangle(256, 128, (128, 0, 256, 128)))
    assert np.array_equal(prepared.engine.image[:, :128], pixels)
    drawn = noise(256, 128, 3)
    result = prepared.finish(drawn)
    assert np.array_equal(result[:, :128], pixels)
    assert np.array_equal(result[:, 128:], drawn[:, 128:])
    blurred = prepare(DEMO, image=pixels, expand="0,128,0,0").finish(drawn)
    assert np.array_equal(blurred[:, :120], pixels[:, :120])
    assert prepared.notes == ()


def test_the_border_starts_from_the_colors_of_the_picture() -> None:
    pixels = np.full((128, 128, 3), (200, 40, 90), np.uint8)
    prepared = prepare(DEMO, image=pixels, expand=32)
    assert prepared.size == (192, 192)
    assert np.abs(prepared.engine.image.astype(int) - (200, 40, 90)).max() <= 1


def test_the_border_grows_to_the_multiple_so_that_no_pixel_is_cut_off() -> None:
    pixels = noise(500, 448)
    prepared = prepare(image=pixels, expand="0,20,0,10", mask_blur=0)
    assert prepared.size == (576, 448)
    assert np.array_equal(prepared.finish(noise(576, 448))[:, 10:510], pixels)
    assert prepared.notes == (
        "the picture is expanded by 0,66,0,10: this model needs multiples of 64",
    )
    # The other axis has no border, and is cropped as without one.
    assert prepare(image=noise(512, 450), expand="0,64,0,0").size == (576, 448)


def test_a_mask_and_a_border_are_both_redrawn() -> None:
    mask = rectangle(128, 128, (10, 10, 20, 20))
    prepared = prepare(DEMO, image=noise(128, 128), mask=mask, expand=(0, 16, 0, 0))
    expected = rectangle(144, 128, (128, 0, 144, 128)) | rectangle(144, 128, (10, 10, 20, 20))
    assert np.array_equal(prepared.engine.mask, expected)


def test_an_expanded_photo_is_scaled_down_or_drawn_in_parts() -> None:
    pixels = noise(1500, 1000)
    scaled = prepare(image=pixels, expand="0,100,0,0")
    assert scaled.size == (1280, 768)
    note = "the picture is scaled from 1600x1000 to 1280x768, near the size that the model was"
    assert scaled.notes == (f"{note} trained for, 512x512; masked_only keeps its size",)
    whole = prepare(image=pixels, expand="0,100,0,0", masked_only=True, mask_blur=0)
    assert whole.result_size == (1600, 1000)
    result = whole.finish(noise(*whole.size))
    assert np.array_equal(result[:, :1500], pixels)


# --- references -----------------------------------------------------------------------------------


def test_a_model_for_edits_takes_the_picture_as_a_reference() -> None:
    pixels = noise(512, 512)
    prepared = prepare(FLUX2, edits=True, image=pixels)
    assert prepared.engine.image is None
    assert len(prepared.engine.references) == 1
    assert np.array_equal(prepared.engine.references[0], pixels)
    assert prepared.size == (512, 512)
    assert prepared.finish(pixels) is pixels


def test_several_pictures_are_references_in_order() -> None:
    pictures = [noise(1024, 1024), noise(640, 320), noise(320, 640)]
    prepared = prepare(QWEN, edits=True, image=pictures[:2], ref_image=pictures[2])
    assert prepared.size == (1024, 1024)
    sizes = [(each.shape[1], each.shape[0]) for each in prepared.engine.references]
    assert sizes == [(1024, 1024), (1440, 736), (736, 1440)]
    assert np.array_equal(prepared.engine.references[0], pictures[0])


def test_references_alone_decide_the_shape_and_the_model_the_size() -> None:
    prepared = prepare(FLUX2, ref_image=[noise(300, 200), noise(50, 50)])
    assert prepared.size == (1248, 832)
    assert [each.shape for each in prepared.engine.references] == [(832, 1248, 3), (1024, 1024, 3)]
    small = prepare(FLUX2, ref_image=noise(300, 200), size=(128, 128))
    assert small.engine.references[0].shape == (112, 160, 3)


def test_a_chosen_size_keeps_all_of_a_reference() -> None:
    prepared = prepare(FLUX2, (512, 512), edits=True, image=noise(600, 300))
    assert prepared.engine.references[0].shape == (368, 720, 3)
    cropped = prepare(FLUX2, (512, 512), edits=True, image=noise(600, 300), fit="crop")
    assert cropped.engine.references[0].shape == (512, 512, 3)


def test_references_join_a_picture_to_start_from() -> None:
    prepared = prepare(FLUX2, image=noise(512, 512), strength=0.7, ref_image=noise(256, 256))
    assert prepared.engine.image is not None
    assert [each.shape for each in prepared.engine.references] == [(512, 512, 3)]


def test_some_models_need_references_of_the_drawings_size() -> None:
    prepared = prepare(PIX2PIX, (512, 256), edits=True, image=noise(600, 300))
    assert prepared.engine.references[0].shape == (256, 512, 3)
    assert prepare(PIX2PIX, edits=True, image=noise(700, 300)).size == (640, 256)


def test_a_control_model_gets_the_picture_in_the_drawings_size() -> None:
    pixels = noise(500, 390)
    prepared = prepare(FLUX2, control_image=pixels)
    assert np.array_equal(prepared.engine.control, pixels[3:387, 2:498])
    assert prepared.engine.image is None
    both = prepare(FLUX2, image=noise(512, 256), control_image=pixels)
    assert both.size == (512, 256)
    assert both.engine.control is not None
    assert both.engine.control.shape == (256, 512, 3)


# --- errors and notes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edits", "options", "label", "argument"),
    [
        (False, {"image": noise(900, 100)}, "the picture", "image"),
        (True, {"image": noise(900, 100)}, "the picture", "image"),
        (True, {"image": noise(900, 100), "size": (512, 512)}, "the picture", "image"),
        (False, {"ref_image": noise(900, 100)}, "the reference picture", "ref_image"),
        (
            False,
            {"ref_image": [noise(), noise(900, 100)]},
            "the reference picture 2",
            "ref_image",
        ),
        (False, {"control_image": noise(900, 100)}, "the control picture", "control_image"),
        (
            False,
            {
                "image": noise(900, 100),
                "mask": rectangle(900, 100, (0, 0, 900, 100)),
                "masked_only": True,
            },
            "the masked area",
            "mask",
        ),
    ],
)
def test_a_picture_of_an_extreme_shape_is_refused(
    edits: bool, options: dict, label: str, argument: str
) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(FLUX2, edits=edits, **options)
    assert caught.value.message == (
        f"{label} has 900x100 pixels: one side is more than 8 times as long as the other"
    )
    assert (caught.value.hint, caught.value.argument) == ("cut the picture first", argument)
    assert prepare(SD1, image=noise(900, 100), size=(512, 512)).size == (512, 512)


def test_an_expanded_picture_that_is_too_large_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        prepare(image=np.zeros((50, 30_000, 3), np.uint8), expand="0,8192,0,0")
    assert caught.value.message == (
        "the picture with the border has 38192x50 pixels, and a side can have 32768 at most"
    )
    assert caught.value.argument == "expand"


def test_an_expanded_picture_of_an_extreme_shape_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        prepare(FLUX2, image=noise(112, 96), expand="0,800,0,0")
    assert caught.value.message == (
        "the picture has 912x96 pixels: one side is more than 8 times as long as the other"
    )
    assert caught.value.argument == "expand"


def test_twenty_references_are_refused_before_they_are_read() -> None:
    with pytest.raises(UsageError) as caught:
        read_pictures(PictureOptions(ref_image=["no.png"] * 20))
    assert caught.value.message == "20 pictures are too many: a drawing can have 10 at most"
    assert caught.value.hint == "models were trained with one to four"


def test_standard_input_is_one_picture_at_most() -> None:
    stream = io.BytesIO(encoded(Image.fromarray(noise())))
    sources = read_pictures(PictureOptions(image="-"), standard_input=stream)
    assert sources.images[0].size == (48, 32)
    with pytest.raises(UsageError) as caught:
        read_pictures(PictureOptions(image="-", mask="-"), standard_input=stream)
    assert caught.value.message == "standard input cannot be two pictures"


def test_errors_name_the_argument_and_the_picture(tmp_path: Path) -> None:
    path = str(tmp_path / "no.png")
    cases = {
        "image": PictureOptions(image=path),
        "ref_image": PictureOptions(ref_image=[noise(), path]),
        "mask": PictureOptions(image=noise(), mask=path),
    }
    for argument, options in cases.items():
        with pytest.raises(UsageError) as caught:
            read_pictures(options)
        assert caught.value.message == f"{path!r} does not exist"
        assert caught.value.argument == argument
    with pytest.raises(UsageError) as caught:
        read_pictures(PictureOptions(ref_image=[noise(), noise()[0]]))
    assert caught.value.message == (
        "the reference picture 2 is an array of shape (48, 3), not (height, width, 3 or 4)"
    )


def test_reading_and_preparing_have_their_notes() -> None:
    frames = [Image.fromarray(noise(seed=seed)) for seed in (1, 2)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    for options in ({"ref_image": noise()}, {"mask": noise()}, {"mask": "alpha"}):
        sources = read_pictures(PictureOptions(image=data, **options))
        assert sources.notes == ("the picture is animated: its first frame is used",)
    prepared = prepare(image=data, mask=rectangle(48, 32, (0, 0, 48, 32)))
    assert prepared.notes[0] == "the mask is white everywhere: the whole picture is redrawn"


@settings(max_examples=100)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    rules=st.sampled_from(SMALL_RULES),
    edits=st.booleans(),
    size=st.sampled_from([None, (64, 64), (128, 192)]),
    options=st.fixed_dictionaries(
        {},
        optional={
            "strength": st.just(0.5),
            "fit": st.sampled_from(["crop", "pad", "stretch"]),
            "expand": st.sampled_from([(0, 40, 0, 0), (7, 0, 9, 30)]),
            "has_mask": st.booleans(),
            "masked_only": st.integers(0, 40),
            "mask_blur": st.integers(0, 64),
            "mask_invert": st.booleans(),
        },
    ),
    seed=st.integers(0, 100),
)
def test_every_combination_gives_exact_pictures_or_a_message(
    width: int,
    height: int,
    rules: PictureRules,
    edits: bool,
    size: tuple[int, int] | None,
    options: dict,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    if options.pop("has_mask", False):
        options["mask"] = random.random((height, width)) > random.random()
    try:
        prepared = prepare(rules, size, edits=edits, image=noise(width, height, seed), **options)
    except UsageError:
        return
    assert all(side % rules.size_multiple == 0 for side in prepared.size)
    assert size in (None, prepared.size)
    engine = prepared.engine
    for array in (engine.image, engine.mask, engine.control):
        assert array is None or array.shape[1::-1] == prepared.size
    for reference in engine.references:
        assert all(side % rules.reference_multiple == 0 for side in reference.shape[:2])
    if engine.mask is not None:
        assert set(np.unique(engine.mask)) <= {0, 255}
        assert engine.mask.any()
    result = prepared.finish(noise(*prepared.size, seed))
    assert result.shape == (*prepared.result_size[::-1], 3)
