"""Compare the server with sd-server, the engine's own, on the same requests.

    python benchmarks/serve_vs_sd_server.py SD_SERVER [--runs 5] [--pictures 8] [--steps 8]

Both draw with the embedded model, in its own size, and take turns. Prints the pictures a second,
the time from a client's leaving until the next picture, and which fields each server honors.
"""

import argparse
import base64
import io
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image, ImageChops, ImageStat

from gpustack_draw.demo import DEMO_FILE

PROMPT = "a red circle on a blue background"
SIDE = 64  # of the pictures that show which fields are honored
START = "from gpustack_draw.cli import run; run()"
BASE = {"prompt": PROMPT, "seed": 7, "size": f"{SIDE}x{SIDE}"}


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        name: Its name in the tables.
        url: Its address.
    """

    name: str
    url: str

    def post(self, path: str, timeout: float = 600, **body: Any) -> httpx.Response:
        """Send a request and return the response."""
        return httpx.post(f"{self.url}/v1/images/{path}", timeout=timeout, **body)

    def generate(self, **fields: Any) -> httpx.Response:
        """Draw with the fields of a request."""
        return self.post("generations", json={**BASE, **fields})

    def picture(self, **fields: Any) -> Image.Image:
        """Return the first picture of a request."""
        return pictures_in(self.generate(**fields))[0]

    def edit(self, mask: Image.Image | None, **fields: Any) -> Image.Image:
        """Return a green picture as a request edits it."""
        files = {"image": ("image.png", png(green()), "image/png")}
        if mask is not None:
            files["mask"] = ("mask.png", png(mask), "image/png")
        data = {**BASE, **{name: str(value) for name, value in fields.items()}}
        return pictures_in(self.post("edits", data=data, files=files))[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sd_server", help="the command sd-server")
    parser.add_argument("--runs", type=int, default=5, help="turns of each server (default: 5)")
    parser.add_argument("--pictures", type=int, default=8, help="requests a turn (default: 8)")
    parser.add_argument("--steps", type=int, default=4, help="sampling steps (default: 4)")
    parser.add_argument("--side", type=int, default=256, help="width and height (default: 256)")
    parser.add_argument("--device", default="auto", help="of our server: CPU for ggml's own code")
    options = parser.parse_args()
    with ours(options.device) as first, theirs(options.sd_server, options.steps) as second:
        servers = (first, second)
        for clients in (1, 4):
            compare_rates(servers, clients, options)
        print()
        for server in servers:
            seconds = seconds_after_leaving(server)
            print(f"{server.name}: {seconds:.2f} s from a client's leaving to the next picture")
        print_fields(servers)


def compare_rates(servers: tuple[Server, ...], clients: int, options: Any) -> None:
    """Print the pictures a second of each server."""
    size = f"{options.side}x{options.side}"
    rates: dict[str, list[float]] = {server.name: [] for server in servers}
    for number in range(options.runs + 1):
        for server in servers:
            start = time.perf_counter()
            with ThreadPoolExecutor(clients) as pool:
                work = [
                    pool.submit(server.generate, size=size, sample_steps=options.steps)
                    for _ in range(options.pictures)
                ]
                for each in work:
                    pictures_in(each.result())
            if number:  # the first turn selects kernels
                rates[server.name].append(options.pictures / (time.perf_counter() - start))
    for name, values in rates.items():
        low, high = min(values), max(values)
        middle = statistics.median(values)
        print(f"{name}, {clients} clients: {middle:.2f} pictures/s ({low:.2f} to {high:.2f})")


def seconds_after_leaving(server: Server) -> float:
    """Return the time from a client's leaving until another one has a picture.

    The client leaves while the first of ten pictures is drawn.
    """
    with suppress(httpx.TimeoutException):
        server.post("generations", json={**BASE, "n": 10, "size": "256x256"}, timeout=0.3)
    start = time.perf_counter()
    server.picture()
    return time.perf_counter() - start


def print_fields(servers: tuple[Server, ...]) -> None:
    """Print which fields each server honors."""
    print(f"\n| field | {' | '.join(server.name for server in servers)} |")
    print("|---" * (len(servers) + 1) + "|")
    for name, honors in PROBES.items():
        cells = [verdict(honors, server) for server in servers]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def verdict(honors: Callable[[Server], bool], server: Server) -> str:
    """Return whether a server honors a field, as a cell of the table."""
    try:
        return "yes" if honors(server) else "no"
    except (httpx.HTTPError, KeyError, IndexError, ValueError, AssertionError) as error:
        return f"no ({type(error).__name__})"


def changes(**fields: Any) -> Callable[[Server], bool]:
    """Return a probe: whether fields change the picture."""

    def honors(server: Server) -> bool:
        return server.picture().tobytes() != server.picture(**fields).tobytes()

    return honors


def mask_is_kept(server: Server, mask: Image.Image) -> bool:
    """Return whether the right half of a picture is kept, and the left one is drawn."""
    difference = ImageChops.difference(server.edit(mask, strength=1), green())
    left = ImageStat.Stat(difference.crop((0, 0, SIDE // 2, SIDE))).mean
    right = ImageStat.Stat(difference.crop((SIDE * 3 // 4, 0, SIDE, SIDE))).mean
    return max(right) < 10 < max(left)


def white_mask() -> Image.Image:
    """Return a mask with a white left half."""
    mask = Image.new("RGB", (SIDE, SIDE), "black")
    mask.paste("white", (0, 0, SIDE // 2, SIDE))
    return mask


def transparent_mask() -> Image.Image:
    """Return a mask with a transparent left half, as OpenAI defines masks."""
    mask = Image.new("RGBA", (SIDE, SIDE), "white")
    mask.paste((255, 255, 255, 0), (0, 0, SIDE // 2, SIDE))
    return mask


def events_of(server: Server, **fields: Any) -> list[dict[str, Any]]:
    """Return the events of a stream."""
    response = server.generate(stream=True, **fields)
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def format_of(server: Server, name: str) -> str | None:
    """Return the format of the picture that a server sends."""
    text = server.generate(output_format=name).json()["data"][0]["b64_json"]
    return Image.open(io.BytesIO(base64.b64decode(text))).format


def parameters_in(server: Server) -> str:
    """Return the parameters in a picture's file."""
    text = server.generate().json()["data"][0]["b64_json"]
    return str(Image.open(io.BytesIO(base64.b64decode(text))).info.get("parameters", ""))


PROBES: Mapping[str, Callable[[Server], bool]] = {
    "size": lambda server: server.picture(size="128x64").size == (128, 64),
    "n": lambda server: len(pictures_in(server.generate(n=2))) == 2,
    "seed": changes(seed=8),
    "sample_steps": changes(sample_steps=2),
    "cfg_scale": changes(cfg_scale=4),
    "negative_prompt (with cfg_scale 4)": lambda server: (
        server.picture(cfg_scale=4).tobytes()
        != server.picture(cfg_scale=4, negative_prompt="red").tobytes()
    ),
    "sampler": changes(sampler="heun"),
    "scheduler": changes(scheduler="karras"),
    "hires": lambda server: server.picture(hires=2).size == (2 * SIDE, 2 * SIDE),
    "output_format jpeg": lambda server: format_of(server, "jpeg") == "JPEG",
    "output_format webp": lambda server: format_of(server, "webp") == "WEBP",
    "response_format url": lambda server: bool(
        server.generate(response_format="url").json()["data"][0]["url"]
    ),
    "stream": lambda server: events_of(server)[-1]["type"] == "image_generation.completed",
    "partial_images": lambda server: len(events_of(server, partial_images=2)) == 3,
    "seed in the reply": lambda server: server.generate().json()["data"][0]["seed"] == 7,
    "parameters in the file": lambda server: "Steps: " in parameters_in(server),
    "mask, transparent (OpenAI)": lambda server: mask_is_kept(server, transparent_mask()),
    "mask, white (GPUStack)": lambda server: mask_is_kept(server, white_mask()),
    "strength": lambda server: (
        server.edit(None, strength=0.2).tobytes() != server.edit(None, strength=0.9).tobytes()
    ),
    "a wrong size is an error": lambda server: server.generate(size="large").status_code == 400,
    "an error names its field": lambda server: (
        server.generate(size="large").json()["error"]["param"] == "size"
    ),
    "/health": lambda server: httpx.get(f"{server.url}/health").status_code == 200,
    "defaults in /v1/models": lambda server: (
        httpx.get(f"{server.url}/v1/models").json()["data"][0]["meta"]["default_width"] == 256
    ),
}


def pictures_in(response: httpx.Response) -> list[Image.Image]:
    """Return the pictures of a response."""
    response.raise_for_status()
    files = [base64.b64decode(item["b64_json"]) for item in response.json()["data"]]
    return [Image.open(io.BytesIO(file)).convert("RGB") for file in files]


def green() -> Image.Image:
    """Return a green picture."""
    return Image.new("RGB", (SIDE, SIDE), (0, 160, 0))


def png(image: Image.Image) -> bytes:
    """Return a picture as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@contextmanager
def ours(device: str) -> Iterator[Server]:
    """Run this package's server."""
    port = free_port()
    arguments = ["serve", "demo", "--port", str(port), "--device", device, "--quiet"]
    command = [sys.executable, "-c", START, *arguments]
    with running(command, f"http://127.0.0.1:{port}", "/health") as url:
        yield Server("gpustack-draw serve", url)


@contextmanager
def theirs(command: str, steps: int) -> Iterator[Server]:
    """Run sd-server with the same model, whose file is also its tiny autoencoder."""
    port = free_port()
    arguments = [
        *(command, "-m", str(DEMO_FILE), "--taesd", str(DEMO_FILE), "--listen-port", str(port)),
        *("--steps", str(steps), "--cfg-scale", "1", "--sampling-method", "euler"),
        *("-W", str(SIDE), "-H", str(SIDE)),
    ]
    with running(arguments, f"http://127.0.0.1:{port}", "/v1/models") as url:
        yield Server("sd-server", url)


@contextmanager
def running(command: list[str], url: str, path: str) -> Iterator[str]:
    """Run a server until the end of the block; yield its address once it draws."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not responds(url + path):
            if process.poll() is not None:
                sys.exit(f"{command[0]} ended with {process.returncode}")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def responds(url: str) -> bool:
    """Return whether a GET request succeeds."""
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
