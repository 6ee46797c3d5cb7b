"""The hash by which web UIs name a LoRA in the parameters of pictures."""

import hashlib
from pathlib import Path

_CHUNK_BYTES = 1024 * 1024


def weights_hash(path: Path) -> str:
    """Return the SHA-256 of a file, without the header of a safetensors file.

    As AUTOMATIC1111's web UI (modules/hashes.py, ``addnet_hash_safetensors``) and kohya's scripts
    compute it, so that a change of the metadata changes nothing; Civitai calls it AutoV3.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if path.suffix.lower() == ".safetensors":
            file.seek(8 + int.from_bytes(file.read(8), "little"))
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
