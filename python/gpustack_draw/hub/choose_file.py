"""A tag and the file names of a repository become the file that is meant, or a reason why not.

Names only: nothing is read or fetched here. llama.cpp and Ollama look for the tag anywhere in a
name, so their ``F16`` finds a BF16 file and ``Q4_0`` a text encoder; here a tag matches exactly.
"""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gpustack_draw.errors import ModelNotFoundError, quoted

MODEL_ENDINGS = (".gguf", ".safetensors")

# What is taken, the first of these that there is, where a repository has no Q4_0 and the user named
# no tag: nearest in size first.
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

_QUANTISATION = re.compile(
    r"(?<![A-Z0-9])(?P<pure>PURE[-_.])?(?P<quantisation>(?:UD[-_])?(?:"
    r"IQ[1-8]_[A-Z]{1,3}|TQ[12]_0|MXFP[48](?:_MOE)?|NVFP4"
    r"|Q[1-8]_K(?:_(?:XXS|XS|S|M|L|XL|XXL))?|Q[1-8]_[01](?:_[48]_[48])?"
    r"|BF16|FP?16|FP?32|FP8(?:_E[45]M[23](?:FN)?)?))(?![A-Z0-9])"
)
_SHARD = re.compile(r"-([0-9]{5})-of-([0-9]{5})$", re.IGNORECASE)
_PART_FOLDERS = re.compile(r"(vae|text_encoders?(_[0-9])?|encoders?|clip|mmproj)")
# Files that go beside a model: by the first word of their name, or by any word.
_PART_FIRST_WORD = re.compile(
    r"clip([lgh]|vision)?|u?m?t5(x*l)?|tae(sd|f|w|hv)?(xl|[0-9])*|ae|vae"
    r"|llm|qwen[23]|mistral|ministral|gemma[0-9]?|llama[0-9]?|ovis2?"
)
_PART_WORD = re.compile(r"encoder(s|only)?|mmproj|imatrix|vae|(um)?t5(xxl)?|umt5xxl")
# ... but a name with one of these tells what a model has inside.
_ALL_IN_ONE_WORDS = frozenset(("incl", "including", "with", "baked", "aio", "allinone", "no"))
_IMAGE_WORDS = frozenset(("image", "edit", "flux", "diffusion"))


@dataclass(frozen=True)
class Choice:
    """The file that a tag means.

    Attributes:
        path: In the repository, with ``/`` between folders.
        note: For the user, where it is not quite what was asked for; empty otherwise.
    """

    path: str
    note: str = ""


@dataclass(frozen=True)
class _File:
    path: str
    quantisation: str
    pure: bool
    shards: int

    @property
    def label(self) -> str:
        """What to type after the colon to get it."""
        if not self.quantisation:
            return self.path
        return f"pure-{self.quantisation}" if self.pure else self.quantisation


def choose_file(
    paths: Sequence[str],
    tag: str,
    *,
    tag_given: bool,
    repository: str,
    parts: Sequence[str] | None = None,
) -> Choice:
    """Find the file of a repository that a tag means.

    1. A tag that ends in .gguf or .safetensors is a file: its path, in any case, or its name where
       only one file has it.
    2. Any other is a quantisation: the last one in a file's name, or in its folder's where the name
       has none; in any case, ``FP16`` is ``F16``. Text encoders, decoders and other files that go
       beside a model do not count. Plain comes before ``pure-``, fewer folders before more.
    3. A name without its ending is a file too.
    4. Where the user named no tag and there is no ``Q4_0``: the first of :data:`FALLBACK_TAGS` that
       there is, or the only model in the repository; a note says which.

    Args:
        paths: All files of the repository.
        tag: What to find.
        tag_given: Whether the user named it.
        repository: ``OWNER/REPO``, for messages.
        parts: Where a component is looked for and not a model: files that may be it by their names.

    Raises:
        ModelNotFoundError: There is no such file; there are several; it is a part of one only.
    """
    if tag.lower().endswith(MODEL_ENDINGS):
        return Choice(_by_name(paths, tag, repository))
    files = _candidates(paths, repository) if parts is None else _part_files(paths, parts)
    if not files:
        raise _no_gguf(paths, repository)
    wanted, pure = _normalised(tag)
    found = [file for file in files if wanted and file.quantisation == wanted]
    found = [file for file in found if file.pure] if pure else found
    if found:
        file = _only(found, tag, repository)
        note = f"{repository} has no plain {file.quantisation}, so {_name(file.path)} is taken"
        return Choice(file.path, note if file.pure and not pure else "")
    if parts and len(files) == 1 and not tag_given:
        return Choice(files[0].path)
    if tag_given:
        stems = [file for file in files if _stem(file.path).lower() == tag.lower()]
        if stems:
            return Choice(_only(stems, tag, repository).path)
        raise _no_tag(files, tag, repository)
    return _fallback(files, tag, repository)


def quantization_of(path: str) -> str:
    """Give the quantisation that a file's name tells, normalised; empty when it tells none."""
    return _read(path).quantisation


def tag_of(path: str, paths: Sequence[str]) -> str:
    """Give what to type after the colon for a file: its quantisation where that means this file.

    Args:
        path: The file.
        paths: All files of its repository, as far as they are known.
    """
    tag = quantization_of(path)
    try:
        choice = choose_file(paths, tag, tag_given=True, repository="")
    except ModelNotFoundError:
        return path
    return tag if choice.path == path else path


def _candidates(paths: Sequence[str], repository: str) -> list[_File]:
    files = _models(paths)
    if len(files) > 1 and all(is_component_file(file.path) for file in files):
        several = {re.sub(r"[-_.]+$", "", _without_tag(file.path)).lower() for file in files}
        if len(several) > 1:  # quantisations of one file may be a model with an unlucky name
            raise ModelNotFoundError(
                f"hf.co/{repository} has parts of models only, by their names:"
                f" {_listed([file.path for file in files])}",
                hint="use a repository with an image model; a part goes with an option, as --t5xxl",
            )
    return files


def _part_files(paths: Sequence[str], parts: Sequence[str]) -> list[_File]:
    return [_read(path) for path in parts or paths if parts or path.lower().endswith(".gguf")]


def _no_gguf(paths: Sequence[str], repository: str) -> ModelNotFoundError:
    others = [path for path in paths if path.lower().endswith(".safetensors")]
    if others:
        return ModelNotFoundError(
            f"hf.co/{repository} has no GGUF file; it has {_listed(others)}",
            hint=f"name a file: hf.co/{repository}:{_shortest(others)},"
            " or look for a GGUF version of the model",
        )
    return ModelNotFoundError(
        f"hf.co/{repository} has no GGUF file",
        hint="look for a GGUF version of the model: most are called NAME-GGUF",
    )


def _models(paths: Sequence[str]) -> list[_File]:
    """Read the names of GGUF files, less those that go beside a model, if any others are there."""
    files = [_read(path) for path in paths if path.lower().endswith(".gguf")]
    files = [file for file in files if file.shards]
    return [file for file in files if not is_component_file(file.path)] or files


def _read(path: str) -> _File:
    stem = _stem(path)
    shards = 1
    if shard := _SHARD.search(stem):
        # The first of several stands for all of them, the others for nothing.
        shards = int(shard[2]) if int(shard[1]) == 1 else 0
        stem = stem[: shard.start()]
    for text in (stem, _parent(path)):
        matches = list(_QUANTISATION.finditer(text.upper()))
        if matches:
            return _File(
                path, _plain(matches[-1]["quantisation"]), bool(matches[-1]["pure"]), shards
            )
    return _File(path, "", pure=False, shards=shards)


def is_component_file(path: str) -> bool:
    """Tell whether a file goes beside a model, by its name."""
    folders = path.lower().split("/")[:-1]
    if any(_PART_FOLDERS.fullmatch(folder) for folder in folders):
        return True
    words = [word for word in re.split(r"[-_.\s]+", _stem(path).lower()) if word]
    if not words or _ALL_IN_ONE_WORDS & set(words):
        return False
    if _PART_FIRST_WORD.fullmatch(words[0]) and not _IMAGE_WORDS & set(words):
        return True
    if any(_PART_WORD.fullmatch(word) for word in words):
        return True
    pairs = set(itertools.pairwise(words))
    return bool(pairs & {("clip", "l"), ("clip", "g")})


def _by_name(paths: Sequence[str], name: str, repository: str) -> str:
    if name in paths:
        return _whole(name, repository)
    found = [path for path in paths if path.lower() == name.lower()]
    found = found or [path for path in paths if _name(path).lower() == name.lower()]
    if len(found) == 1:
        return _whole(found[0], repository)
    if found:
        raise ModelNotFoundError(
            f"{quoted(name)} is the name of {len(found)} files of hf.co/{repository}:"
            f" {_listed(found)}",
            hint=f"give the path: hf.co/{repository}:{found[0]}",
        )
    ending = "." + name.lower().rpartition(".")[2]
    there = _nearest(name, [path for path in paths if path.lower().endswith(ending)])
    has = f"it has {_listed(there)}" if there else f"it has no {ending} file at all"
    raise ModelNotFoundError(
        f"hf.co/{repository} has no file {quoted(name)}; {has}",
        hint=f"for example hf.co/{repository}:{there[0]}" if there else f"see hf.co/{repository}",
    )


def _only(files: Sequence[_File], tag: str, repository: str) -> _File:
    files = [file for file in files if file.shards == 1] or files
    files = [file for file in files if not file.pure] or files
    depth = min(file.path.count("/") for file in files)
    files = [file for file in files if file.path.count("/") == depth]
    if len(files) > 1:
        paths = [file.path for file in files]
        raise ModelNotFoundError(
            f"tag {quoted(tag)} of hf.co/{repository} stands for {len(files)} models:"
            f" {_listed(paths)}",
            hint=f"name one of them: hf.co/{repository}:{min(paths, key=_is_first_half)}",
        )
    _whole(files[0].path, repository)
    return files[0]


def _is_first_half(path: str) -> bool:
    """Tell whether a file is the half of a pair of Wan models that draws nothing by itself."""
    return re.search(r"high[ _-]?noise", path, re.IGNORECASE) is not None


def _whole(path: str, repository: str) -> str:
    """Refuse a file that is one of several into which a model was split."""
    if (shard := _SHARD.search(_stem(path))) and int(shard[2]) > 1:
        raise ModelNotFoundError(
            f"{quoted(path)} of hf.co/{repository} is 1 of {int(shard[2])} files of one model,"
            " and the engine reads a model from one file only",
            hint="use another tag, or join the files with llama-gguf-split --merge",
        )
    return path


def _no_tag(files: Sequence[_File], tag: str, repository: str) -> ModelNotFoundError:
    labels = list(dict.fromkeys(file.label for file in files))
    wanted, pure = _normalised(tag)
    labels = _nearest(f"pure-{wanted}" if pure else wanted or tag, labels)
    if bits := _bits(wanted):  # of two as near, the one that loses less
        labels.sort(key=lambda name: (abs(math.log2((_bits(name) or 1e9) / bits)), -_bits(name)))
    return ModelNotFoundError(
        f"hf.co/{repository} has no tag {quoted(tag)}; it has {_listed(labels, most=12)}",
        hint=f"for example hf.co/{repository}:{labels[0]}",
    )


def _fallback(files: Sequence[_File], tag: str, repository: str) -> Choice:
    def note(taken: str) -> str:
        return f"hf.co/{repository} has no {tag}, so {taken} is taken; name another one with :TAG"

    for other in FALLBACK_TAGS:
        found = [file for file in files if file.quantisation == other and file.shards == 1]
        if found:
            file = _only(found, other, repository)
            return Choice(file.path, note(file.label))
    if len(files) == 1:
        return Choice(_only(files, tag, repository).path, note(_name(files[0].path)))
    raise _no_tag(files, tag, repository)


def _normalised(tag: str) -> tuple[str, bool]:
    """Give the quantisation that a tag names, and whether it asks for a pure one."""
    match = _QUANTISATION.fullmatch(tag.strip().upper())
    return (_plain(match["quantisation"]), bool(match["pure"])) if match else ("", False)


def _bits(label: str) -> float:
    """Tell about how many bits a weight of a quantisation takes; 0 where there is no telling."""
    number = re.search(r"[0-9]+", _normalised(label)[0])
    return float(number[0]) if number else 0.0


def _without_tag(path: str) -> str:
    return _QUANTISATION.sub("", _stem(path).upper())


def _plain(quantisation: str) -> str:
    return re.sub(r"^FP(16|32)$", r"F\1", quantisation.replace("UD_", "UD-"))


def _nearest(text: str, names: Sequence[str]) -> list[str]:
    from difflib import SequenceMatcher

    def distance(name: str) -> float:
        return -SequenceMatcher(None, text.lower(), name.lower()).ratio()

    return sorted(names, key=distance)


def _listed(names: Sequence[str], *, most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _shortest(paths: Sequence[str]) -> str:
    return min(paths, key=lambda path: (path.count("/"), len(path)))


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    name = _name(path)
    return name[: name.rfind(".")] if "." in name else name


def _parent(path: str) -> str:
    return path.rpartition("/")[0].rpartition("/")[2]
