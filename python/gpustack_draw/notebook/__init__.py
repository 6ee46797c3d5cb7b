"""What notebooks show: the drawing as it goes on, several pictures side by side, a model.

Nothing of Jupyter's is imported unless this process is a notebook's kernel, which has it already.
"""

from gpustack_draw.notebook.gallery import Gallery
from gpustack_draw.notebook.html import table
from gpustack_draw.notebook.listing import Listing
from gpustack_draw.notebook.live_progress import LiveProgress, live_progress

__all__ = ["Gallery", "Listing", "LiveProgress", "live_progress", "table"]
