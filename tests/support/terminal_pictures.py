"""Decoders of terminal pictures."""

import base64
import io
import re

import PIL.Image
import PIL.ImageChops
import PIL.ImageStat


def read_sixel(text: str) -> PIL.Image.Image:
    """Decode sixels with colors, repetitions, carriage returns and new lines."""
    found = re.fullmatch(r'\x1bPq"1;1;(\d+);(\d+)(.*)\x1b\\', text, re.DOTALL)
    assert found is not None
    image = PIL.Image.new("RGB", (int(found[1]), int(found[2])))
    colors: dict[str, tuple[int, ...]] = {}
    x = y = 0
    color = ""
    tokens = re.finditer(r"#(\d+)(;2;(\d+);(\d+);(\d+))?|!(\d+)([?-~])|([?-~])|([$-])", found[3])
    for token in tokens:
        if token[1] is not None:
            color = token[1]
            if token[2]:
                colors[color] = tuple(round(int(token[i]) * 2.55) for i in (3, 4, 5))
        elif token[9] is not None:
            x, y = 0, y + (6 if token[9] == "-" else 0)
        else:
            bits = ord(token[7] or token[8]) - 63
            end = x + int(token[6] or 1)
            for row in range(6):
                if bits >> row & 1:
                    image.paste(colors[color], (x, y + row, end, y + row + 1))
            x = end
    return image


def read_kitty(text: str) -> list[tuple[str, PIL.Image.Image]]:
    """Return number and pixels of each picture in kitty's protocol."""
    found = []
    for first, rest in re.findall(r"\x1b_G(a=T[^\x1b]*)\x1b\\((?:\x1b_Gm=[^\x1b]*\x1b\\)*)", text):
        keys, data = first.split(";")
        data += "".join(re.findall(r"\x1b_Gm=\d;([^\x1b]*)", rest))
        number = dict(key.split("=") for key in keys.split(","))["i"]
        found.append((number, PIL.Image.open(io.BytesIO(base64.b64decode(data)))))
    return found


def pixels_apart(one: PIL.Image.Image, other: PIL.Image.Image) -> float:
    """Return the mean difference of the pixels, 0 to 255."""
    difference = PIL.ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    return sum(PIL.ImageStat.Stat(difference).mean) / 3
