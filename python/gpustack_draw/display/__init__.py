"""Output for notebooks and terminals: progress, galleries and tables.

IPython is imported only in a notebook's kernel, which has imported it already.
"""

from gpustack_draw.display.gallery import Gallery
from gpustack_draw.display.html import table
from gpustack_draw.display.listing import Listing
from gpustack_draw.display.live_progress import LiveProgress, live_progress

__all__ = ["Gallery", "Listing", "LiveProgress", "live_progress", "table"]
