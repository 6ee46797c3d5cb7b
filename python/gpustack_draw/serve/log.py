"""The log of the server."""

import logging

LOGGER = logging.getLogger("gpustack_draw.serve")
