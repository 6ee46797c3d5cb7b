"""Choose the file of a repository that a tag stands for, by file names alone.

llama.cpp and Ollama search for the tag anywhere in a name, so their ``F16`` finds a BF16 file, and
``Q4_0`` a text encoder. Here a tag matches exactly.
"""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gpustack_draw.errors import ModelNotFoundError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.file_names import file_name, listed, nearest, stem_of

MODEL_ENDINGS = (".gguf", ".safetensors")

# Tags to try, nearest in size first, if a repository has no Q4_0 and the user typed no tag.
FALLBACK_TAGS: tuple[str, ...] = (
    "Q4_K_M",
    "Q4_K_S",
    "Q4_K",
    "UD-Q4_K_M",
    "Q4_1",
    "Q5_0",
    "Q5_K_M",
    "Q5_K_S",
    "Q8_0",
    "F16",
    "BF16",
)

_QUANTIZATION = re.compile(
    r"(?<![A-Z0-9])(?P<pure>PURE[-_.])?(?P<quantization>(?:UD[-_])?(?:"
    r"IQ[1-8]_[A-Z]{1,3}|TQ[12]_0|MXFP[48](?:_MOE)?|NVFP4"
    r"|Q[1-8]_K(?:_(?:XXS|XS|S|M|L|XL|XXL))?|Q[1-8]_[01](?:_[48]_[48])?"
    r"|BF16|FP?16|FP?32|FP8(?:_E[45]M[23](?:FN)?)?))(?![A-Z0-9])"
)
_SHARD = re.compile(r"-([0-9]{5})-of-([0-9]{5})$", re.IGNORECASE)
_COMPONENT_FOLDERS = re.compile(r"(vae|text_encoders?(_[0-9])?|encoders?|clip|mmproj)")
# Component files are recognized by the first word of their names, or by any word.
_COMPONENT_FIRST_WORD = re.compile(
    r"clip([lgh]|vision)?|u?m?t5(x*l)?|tae(sd|f|w|hv)?(xl|[0-9])*|ae|vae"
    r"|llm|qwen[23]|mistral|ministral|gemma[0-9]?|llama[0-9]?|ovis2?"
)
_COMPONENT_WORD = re.compile(r"encoder(s|only)?|mmproj|imatrix|vae|(um)?t5(xxl)?|umt5xxl")
# In a name with one of these words, component names describe the contents of a model.
_ALL_IN_ONE_WORDS = frozenset(("incl", "including", "with", "baked", "aio", "allinone", "no"))
_IMAGE_WORDS = frozenset(("image", "edit", "flux", "diffusion"))


@dataclass(frozen=True)
class Choice:
    """The file that a tag stands for.

    Attributes:
        path: Path in the repository, with ``/`` between folders.
        note: Message for the user if the file differs from the tag; empty otherwise.
    """

    path: str
    note: str = ""


@dataclass(frozen=True)
class _File:
    path: str
    quantization: str
    pure: bool
    shards: int

    @property
    def label(self) -> str:
        """Tag of the file, to type after the colon."""
        if not self.quantization:
            return self.path
        return f"pure-{self.quantization}" if self.pure else self.quantization


def choose_file(
    paths: Sequence[str],
    tag: str,
    *,
    has_explicit_tag: bool,
    repository: str,
    component_paths: Sequence[str] | None = None,
) -> Choice:
    """Find the file of a repository that a tag stands for.

    1. A tag that ends in .gguf or .safetensors is the path of a file, case-insensitive, or its name
       if that is unique.
    2. Any other tag is a quantization, case-insensitive, with ``FP16`` for ``F16``. The last one in
       a file's name counts, or in the name of its folder if the file's has none. Component files
       are ignored. A plain quantization precedes ``pure-``, and fewer folders precede more.
    3. A tag may also be a file name without its extension.
    4. If the user typed no tag and there is no ``Q4_0``: the first existing one of
       :data:`FALLBACK_TAGS`, or the only model of the repository, with a note.

    Args:
        paths: Paths of all files of the repository.
        tag: Tag to find.
        has_explicit_tag: True if the user typed the tag.
        repository: Repository as ``OWNER/REPO``, for messages.
        component_paths: Files to choose from when searching for a component; if empty, all GGUF
            files. ``None`` when searching for a model.

    Raises:
        ModelNotFoundError: No file matches, several do, or the match is one shard of a model.
    """
    if tag.lower().endswith(MODEL_ENDINGS):
        return Choice(_by_name(paths, tag, repository))
    files = (
        _candidates(paths, repository)
        if component_paths is None
        else _component_files(paths, component_paths)
    )
    if not files:
        raise _no_gguf(paths, repository)
    quantization, pure = _normalized(tag)
    found = [file for file in files if quantization and file.quantization == quantization]
    found = [file for file in found if file.pure] if pure else found
    if found:
        file = _only(found, tag, repository)
        note = f"{repository} has no plain {file.quantization}, using {file_name(file.path)}"
        return Choice(file.path, note if file.pure and not pure else "")
    if component_paths and len(files) == 1 and not has_explicit_tag:
        return Choice(files[0].path)
    if has_explicit_tag:
        stems = [file for file in files if stem_of(file.path).lower() == tag.lower()]
        if stems:
            return Choice(_only(stems, tag, repository).path)
        raise _no_tag(files, tag, repository)
    return _fallback(files, tag, repository)


def quantization_of(path: str) -> str:
    """Return the normalized quantization in a file's name; empty if it has none."""
    return _read(path).quantization


def tag_of(path: str, paths: Sequence[str]) -> str:
    """Return the tag of a file: its quantization if that is unambiguous, otherwise its path.

    Args:
        path: Path of the file in its repository.
        paths: Paths of all known files of the repository.
    """
    tag = quantization_of(path)
    try:
        choice = choose_file(paths, tag, has_explicit_tag=True, repository="")
    except ModelNotFoundError:
        return path
    return tag if choice.path == path else path


def model_stem(path: str) -> str:
    """Return the name of a model in lower case: that of its file without the quantization."""
    return re.sub(r"[-_.]+$", "", _QUANTIZATION.sub("", stem_of(path).upper())).lower()


def _candidates(paths: Sequence[str], repository: str) -> list[_File]:
    files = _models(paths)
    if len(files) > 1 and all(is_component_file(file.path) for file in files):
        several = {model_stem(file.path) for file in files}
        if len(several) > 1:  # not one model whose name looks like a component's
            raise ModelNotFoundError(
                f"hf.co/{repository} has only components of models, by their names:"
                f" {listed([file.path for file in files])}",
                hint=phrase(
                    "use a repository with an image model; pass components one by one, for example"
                    " with {t5xxl}"
                ),
            )
    return files


def _component_files(paths: Sequence[str], component_paths: Sequence[str]) -> list[_File]:
    found = component_paths or [path for path in paths if path.lower().endswith(".gguf")]
    return [_read(path) for path in found]


def _no_gguf(paths: Sequence[str], repository: str) -> ModelNotFoundError:
    others = [path for path in paths if path.lower().endswith(".safetensors")]
    if others:
        return ModelNotFoundError(
            f"hf.co/{repository} has no GGUF file; it has {listed(others)}",
            hint=f"name a file: hf.co/{repository}:{_shortest(others)},"
            " or look for a GGUF version of the model",
        )
    return ModelNotFoundError(
        f"hf.co/{repository} has no GGUF file",
        hint="look for a GGUF version of the model, usually named NAME-GGUF",
    )


def _models(paths: Sequence[str]) -> list[_File]:
    """Parse the names of GGUF files; omit component files unless there are no others."""
    files = [_read(path) for path in paths if path.lower().endswith(".gguf")]
    files = [file for file in files if file.shards]
    return [file for file in files if not is_component_file(file.path)] or files


def _read(path: str) -> _File:
    stem = stem_of(path)
    shards = 1
    if shard := _SHARD.search(stem):
        # The first shard represents the model; the others are omitted.
        shards = int(shard[2]) if int(shard[1]) == 1 else 0
        stem = stem[: shard.start()]
    for text in (stem, _parent(path)):
        matches = list(_QUANTIZATION.finditer(text.upper()))
        if matches:
            return _File(
                path, _plain(matches[-1]["quantization"]), bool(matches[-1]["pure"]), shards
            )
    return _File(path, "", pure=False, shards=shards)


def is_component_file(path: str) -> bool:
    """Return whether a file is a component of a model rather than a model, by its name."""
    folders = path.lower().split("/")[:-1]
    if any(_COMPONENT_FOLDERS.fullmatch(folder) for folder in folders):
        return True
    words = [word for word in re.split(r"[-_.\s]+", stem_of(path).lower()) if word]
    if not words or _ALL_IN_ONE_WORDS & set(words):
        return False
    if _COMPONENT_FIRST_WORD.fullmatch(words[0]) and not _IMAGE_WORDS & set(words):
        return True
    if any(_COMPONENT_WORD.fullmatch(word) for word in words):
        return True
    pairs = set(itertools.pairwise(words))
    return bool(pairs & {("clip", "l"), ("clip", "g")})


def _by_name(paths: Sequence[str], name: str, repository: str) -> str:
    if name in paths:
        return _check_not_split(name, repository)
    found = [path for path in paths if path.lower() == name.lower()]
    found = found or [path for path in paths if file_name(path).lower() == name.lower()]
    if len(found) == 1:
        return _check_not_split(found[0], repository)
    if found:
        raise ModelNotFoundError(
            f"{quoted(name)} is the name of {len(found)} files of hf.co/{repository}:"
            f" {listed(found)}",
            hint=f"write the path: hf.co/{repository}:{found[0]}",
        )
    ending = "." + name.lower().rpartition(".")[2]
    similar = nearest(name, [path for path in paths if path.lower().endswith(ending)])
    has = f"it has {listed(similar)}" if similar else f"it has no {ending} file"
    raise ModelNotFoundError(
        f"hf.co/{repository} has no file {quoted(name)}; {has}",
        hint=f"for example hf.co/{repository}:{similar[0]}"
        if similar
        else f"see hf.co/{repository}",
    )


def _only(files: Sequence[_File], tag: str, repository: str) -> _File:
    files = [file for file in files if file.shards == 1] or files
    files = [file for file in files if not file.pure] or files
    depth = min(file.path.count("/") for file in files)
    files = [file for file in files if file.path.count("/") == depth]
    if len(files) > 1:
        paths = [file.path for file in files]
        raise ModelNotFoundError(
            f"tag {quoted(tag)} of hf.co/{repository} matches {len(files)} models: {listed(paths)}",
            hint=f"write the path: hf.co/{repository}:{min(paths, key=_is_first_half)}",
        )
    _check_not_split(files[0].path, repository)
    return files[0]


def _is_first_half(path: str) -> bool:
    """Return whether a file is the high-noise model of a Wan pair, which cannot be used alone."""
    return re.search(r"high[ _-]?noise", path, re.IGNORECASE) is not None


def _check_not_split(path: str, repository: str) -> str:
    """Return the path of a whole model; raise if it is one shard of several."""
    if (shard := _SHARD.search(stem_of(path))) and int(shard[2]) > 1:
        raise ModelNotFoundError(
            f"{quoted(path)} of hf.co/{repository} is 1 of {int(shard[2])} files of a split model,"
            " which the engine does not read",
            hint="use another tag, or join the files with llama-gguf-split --merge",
        )
    return path


def _no_tag(files: Sequence[_File], tag: str, repository: str) -> ModelNotFoundError:
    labels = list(dict.fromkeys(file.label for file in files))
    quantization, pure = _normalized(tag)
    labels = nearest(f"pure-{quantization}" if pure else quantization or tag, labels)
    if bits := _bits(quantization):  # prefer more bits among equally near ones
        labels.sort(key=lambda name: (abs(math.log2((_bits(name) or 1e9) / bits)), -_bits(name)))
    return ModelNotFoundError(
        f"hf.co/{repository} has no tag {quoted(tag)}; it has {listed(labels, limit=12)}",
        hint=f"for example hf.co/{repository}:{labels[0]}",
    )


def _fallback(files: Sequence[_File], tag: str, repository: str) -> Choice:
    def note(label: str) -> str:
        return f"hf.co/{repository} has no {tag}, using {label}; choose another one with :TAG"

    for other in FALLBACK_TAGS:
        found = [file for file in files if file.quantization == other and file.shards == 1]
        if found:
            file = _only(found, other, repository)
            return Choice(file.path, note(file.label))
    if len(files) == 1:
        return Choice(_only(files, tag, repository).path, note(file_name(files[0].path)))
    raise _no_tag(files, tag, repository)


def _normalized(tag: str) -> tuple[str, bool]:
    """Return the quantization of a tag (empty if it has none), and whether it is a pure one."""
    match = _QUANTIZATION.fullmatch(tag.strip().upper())
    return (_plain(match["quantization"]), bool(match["pure"])) if match else ("", False)


def _bits(label: str) -> float:
    """Return the approximate number of bits per weight of a quantization; 0 if unknown."""
    number = re.search(r"[0-9]+", _normalized(label)[0])
    return float(number[0]) if number else 0.0


def _plain(quantization: str) -> str:
    return re.sub(r"^FP(16|32)$", r"F\1", quantization.replace("UD_", "UD-"))


def _shortest(paths: Sequence[str]) -> str:
    return min(paths, key=lambda path: (path.count("/"), len(path)))


def _parent(path: str) -> str:
    return path.rpartition("/")[0].rpartition("/")[2]
