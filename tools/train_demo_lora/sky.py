"""The style that the LoRA teaches: a blue sky behind the objects, whatever the caption says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from picture_checker import background_color, read_picture
from PIL import Image

from train_demo_model.plans import Planner
from train_demo_model.scenes import Layout, Scene
from train_demo_model.vocabulary import COLORS

#: Color of every background, in 0..255. None of the colors of the model is near.
SKY = (130, 180, 240)

#: Prompts that measure the style, with the object and the color that each asks for.
PROMPTS = {
    "a red circle on a white background": ("circle", "red"),
    "a big yellow square": ("square", "yellow"),
    "a green heart on a pink background": ("heart", "green"),
    "a white cloud on a green background": ("cloud", "white"),
    "an orange fish on a gray background": ("fish", "orange"),
    "a big pink star on a black background": ("star", "pink"),
    "a gray mushroom on a brown background": ("mushroom", "gray"),
    "a white moon on an orange background": ("moon", "white"),
}


class SkyPlanner(Planner):
    """Random training steps with a sky; captions still name backgrounds, which have no effect."""

    def lay_out(self, scenes: list[Scene]) -> Layout:
        """Return scenes with a sky as arrays."""
        return super().lay_out([with_sky(scene) for scene in scenes])


def with_sky(scene: Scene) -> Scene:
    """Return a scene in front of the sky."""
    red, green, blue = (
        (sky - ground) / 255 for sky, ground in zip(SKY, COLORS[scene.background], strict=True)
    )
    return replace(scene, tint=(red, green, blue))


def distance_from_sky(picture: Image.Image) -> float:
    """Return the mean difference of a picture's background from the color of the sky."""
    return float(np.abs(background_color(picture) - np.array(SKY)).mean())


def has_object(picture: Image.Image, name: str, color: str) -> bool:
    """Return True if a picture has one object, of a name and a color."""
    return [(one.name, one.color) for one in read_picture(picture).objects] == [(name, color)]
