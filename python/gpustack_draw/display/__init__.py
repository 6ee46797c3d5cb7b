"""What notebooks show: the drawing as it goes on, several pictures side by side, a model.

Nothing of Jupyter's is imported unless this process is a notebook's kernel, which has it already.
"""

from gpustack_draw.display.gallery import Gallery
from gpustack_draw.display.html import table
from gpustack_draw.display.listing import Listing
from gpustack_draw.display.live_progress import LiveProgress, live_progress

__all__ = ["Gallery", "Listing", "LiveProgress", "live_progress", "table"]
