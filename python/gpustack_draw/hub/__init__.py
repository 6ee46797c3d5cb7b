"""Find and download files of Hugging Face repositories; the only user of ``huggingface_hub``.

``huggingface_hub`` supplies the endpoint, the token, the cache folder and the HTTP session
(``settings.py``). Downloads are implemented here because ``huggingface_hub`` 1.18 and later discard
the partial file of a killed process, and have one connection for each file. The hub is not trusted:
``connection.py`` limits responses, ``client.py`` validates them, and ``cache.py`` never builds a
path outside its folder.
"""

from gpustack_draw.hub.hub import Hub
from gpustack_draw.hub.removal import Removal
from gpustack_draw.hub.repository import Repository, RepositoryFile
from gpustack_draw.hub.trouble import HubUnavailableError

__all__ = ["Hub", "HubUnavailableError", "Removal", "Repository", "RepositoryFile"]
