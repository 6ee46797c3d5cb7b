"""Memory of an attention layer."""

from dataclasses import dataclass

# On GPUs, the library pads the keys and values of flash attention to a multiple of this.
_BLOCK = 256


@dataclass(frozen=True)
class Attention:
    """An attention layer.

    Attributes:
        queries: Number of tokens that look.
        keys: Number of tokens that are looked at.
        heads: Number of heads.
        width: Channels of a token, of all heads.
        maps: Maps of ``width`` channels that are in memory at the same time, as numbers of four
            bytes: queries, keys, values and what surrounds the layer.
    """

    queries: int
    keys: int
    heads: int
    width: int
    maps: float = 5

    def bytes(self, *, stores_scores: bool, masks_padding: bool = False) -> int:
        """Return the bytes of the layer.

        Args:
            stores_scores: True if the scores of all heads are stored; False for flash attention.
            masks_padding: True if flash attention pads the keys, as on GPUs.
        """
        maps = int(4 * self.maps * self.width * max(self.queries, self.keys))
        if stores_scores:
            return maps + 4 * self.heads * self.queries * self.keys
        return maps + self._mask_bytes() * masks_padding

    def _mask_bytes(self) -> int:
        """Return the bytes of the mask that hides the padding.

        The engine makes it of zeros, and holds those and the filled mask at the same time.
        """
        padded = -(-self.keys // _BLOCK) * _BLOCK
        return 0 if padded == self.keys else 4 * self.queries * (self.keys + padded)
