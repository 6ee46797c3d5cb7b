"""Headers of a folder in diffusers layout; the engine reads such folders of UNet models only."""

from dataclasses import replace
from pathlib import Path

from gpustack_draw.errors import (
    ModelFileError,
    ModelNotFoundError,
    NotYetSupportedError,
    quoted,
)
from gpustack_draw.headers.header import ModelHeader, foreign_format, read_model_header
from gpustack_draw.headers.weight_formats import PLAIN_TYPE_HINT

# Files that the engine looks for, with the prefix of their tensor names, in its order.
_COMPONENTS: tuple[tuple[str, str], ...] = (
    ("unet/diffusion_pytorch_model.safetensors", "unet."),
    ("vae/diffusion_pytorch_model.safetensors", "vae."),
    ("text_encoder/model.safetensors", "te."),
    ("text_encoder_2/model.safetensors", "te.1."),
)
_MODEL_ENDINGS = (".gguf", ".safetensors", ".ckpt")
_ONE_FILE_HINT = "use a GGUF or single-file safetensors version of the model"


def read_model_folder(path: Path, label: str) -> ModelHeader:
    """Read the headers of a folder's components as one, with the tensor names of the engine.

    Args:
        path: Path of the folder.
        label: Name of the folder in messages.

    Returns:
        One header for all components, with their total size.

    Raises:
        ModelNotFoundError: The folder holds no model.
        ModelFileError: A component is damaged, or has a file name that the engine does not read.
        NotYetSupportedError: The folder holds a transformer model, which the engine does not read.
    """
    try:
        return _read_components(path, label)
    except OSError as error:
        raise ModelFileError(
            f"{quoted(label)} cannot be read: {(error.strerror or str(error)).lower()}",
            hint="check the permissions of the folder",
        ) from None


def is_model_folder(path: Path) -> bool:
    """Return True if a path is a folder that can be accessed."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _read_components(path: Path, label: str) -> ModelHeader:
    _refuse_other_formats(path, label)
    if (path / "transformer").is_dir():
        raise NotYetSupportedError(
            f"{quoted(label)} is a folder of a transformer model in diffusers layout,"
            " which the engine does not read",
            hint=_ONE_FILE_HINT,
        )
    if not (path / "unet").is_dir():
        raise _no_model(sorted(entry.name for entry in path.iterdir()), label)
    tensors, size = {}, 0
    for file, prefix in _COMPONENTS:
        if not (path / file).exists():
            _check_absent(path, file, label)
            continue
        header = read_model_header(path / file, label=str(Path(label) / file))
        if header.format != "safetensors":
            raise ModelFileError(
                f"{quoted(str(Path(label) / file))} is a GGUF file, and the engine reads only"
                " safetensors files in a folder",
                hint=_ONE_FILE_HINT,
            )
        for name, tensor in header.tensors.items():
            full_name = name if name.startswith(prefix) else prefix + name
            tensors[full_name] = replace(tensor, name=full_name)
        size += header.file_bytes
    return ModelHeader("safetensors", tensors, {}, size)


def _refuse_other_formats(path: Path, label: str) -> None:
    """Raise if a folder holds only a model in another program's format."""
    folders = [path, *(path / name for name in ("unet", "transformer") if (path / name).is_dir())]
    names = [path.name, *(entry.name for folder in folders for entry in folder.iterdir())]
    model_format = next(filter(None, map(foreign_format, names)), "")
    if model_format and not any(name.lower().endswith(_MODEL_ENDINGS) for name in names):
        raise ModelFileError(f"{quoted(label)} is a folder of {model_format}", hint=PLAIN_TYPE_HINT)


def _check_absent(path: Path, file: str, label: str) -> None:
    """Raise if a component has a file under another name, or the UNet has none."""
    folder = path / Path(file).parent
    others = []
    if folder.is_dir():
        others = [
            entry.name
            for entry in sorted(folder.iterdir())
            if entry.name.endswith((".safetensors", ".bin"))
        ]
    if others or file == _COMPONENTS[0][0]:
        instead = f"; it has {', '.join(others[:3])}" if others else ""
        raise ModelFileError(
            f"{quoted(label)} has no {file}, which the engine looks for{instead}",
            hint=f"save it under that name, or {_ONE_FILE_HINT}" if others else _ONE_FILE_HINT,
        )


def _no_model(names: list[str], label: str) -> ModelNotFoundError:
    files = [name for name in names if name.lower().endswith(_MODEL_ENDINGS)]
    if files:
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        return ModelNotFoundError(
            f"{quoted(label)} is a folder of model files, not a model",
            hint=f"name one of its files: {', '.join(files[:3])}{more}",
        )
    return ModelNotFoundError(
        f"{quoted(label)} is a folder without a model",
        hint="name a model file, or a folder in diffusers layout (unet/, vae/, text_encoder/)",
    )
