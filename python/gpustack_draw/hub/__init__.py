"""Find and fetch files of Hugging Face repositories; the only user of ``huggingface_hub``.

The client gives the address, the token, the cache's place and the HTTP session (``settings.py``).
The bytes are fetched here: versions of the client from 1.18 on throw away what a killed process has
fetched. A hub is not trusted: ``connection.py`` limits its answers, ``client.py`` checks them, and
``cache.py`` makes no path outside its folder.
"""

from gpustack_draw.hub.hub import Hub
from gpustack_draw.hub.removal import Removal
from gpustack_draw.hub.repository import Repository, RepositoryFile
from gpustack_draw.hub.trouble import HubUnavailableError

__all__ = ["Hub", "HubUnavailableError", "Removal", "Repository", "RepositoryFile"]
