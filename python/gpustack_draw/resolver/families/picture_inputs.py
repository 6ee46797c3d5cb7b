"""The records that describe which pictures a family of models takes."""

import re
from dataclasses import dataclass
from typing import Literal

# Strength of a drawing that starts from a picture: most of it is drawn anew.
DEFAULT_STRENGTH = 0.75


@dataclass(frozen=True, kw_only=True)
class PictureInputs:
    """The pictures that a family takes beside the prompt.

    Attributes:
        start: Whether a drawing can start from a picture, all of it or a masked part.
        concatenated: Inputs of its network beside the latent, whose pictures have the size of the
            drawing: ``mask`` (a mask and the picture around it), ``reference`` or ``control``.
        required: Those of them without which its drawings are worthless.
        draws_alone: Whether it was trained to draw from the prompt alone.
        references: Effect of reference pictures: ``none`` (the engine ignores them or crashes),
            ``untrained`` (they reach the network, which was not trained with them) or ``trained``.
        most_references: Reference pictures that it was trained with at once; 0 if unknown.
        reference_multiple: Pixels that both sides of a reference picture must be a multiple of; the
            engine aborts otherwise.
        reference_pixels: Largest area of a reference picture; larger ones are scaled down, to the
            area of the drawing if that is smaller.
        increase_ref_index: Whether the engine must be asked to number several references. If not,
            it numbers them by itself, or places them side by side.
        unscaled: Whether the engine leaves the latents of its pictures as the VAE makes them, which
            is right for a concatenated reference. No drawing can start from such a latent, and a
            tiny autoencoder, whose latents are scaled, cannot read the picture.
        control_net: Whether a ControlNet is loaded with the model, which follows a control picture.
    """

    start: bool = True
    concatenated: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    draws_alone: bool = True
    references: Literal["none", "untrained", "trained"] = "none"
    most_references: int = 0
    reference_multiple: int = 8
    reference_pixels: int = 1024 * 1024
    increase_ref_index: bool = False
    unscaled: bool = False
    control_net: bool = False

    @property
    def control(self) -> bool:
        """True if it follows a control picture."""
        return self.control_net or "control" in self.concatenated

    def default_strength(self, *, masked: bool) -> float:
        """Return the strength, 0 to 1, of a drawing that starts from a picture.

        Networks that take a mask redraw all of the masked part.
        """
        return 1.0 if masked and "mask" in self.concatenated else DEFAULT_STRENGTH


@dataclass(frozen=True, kw_only=True)
class EditModel:
    """Models of a family that were trained to edit pictures, where its others were not.

    Attributes:
        title: Name in messages.
        file_name: Pattern to search the names of file and repository for; case does not matter.
        evidence: Part of a tensor name that only these models have; empty for none.
        most_references: Reference pictures that they were trained with at once.
        requires: Components that they need beyond the family's.
        switches: Keywords of the engine that they need when they are loaded.
    """

    title: str
    file_name: str
    evidence: str = ""
    most_references: int = 1
    requires: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()

    def has_name(self, name: str) -> bool:
        """Return True if a file or repository is named like these models."""
        return re.search(self.file_name, name, re.IGNORECASE) is not None
