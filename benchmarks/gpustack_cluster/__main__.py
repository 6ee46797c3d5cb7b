"""Draw on a real GPUStack 2.x cluster of this machine, and kill a replica in the middle.

GPUStack's own server and worker run as processes (node.py), with our backend definition as an
administrator pastes it, PostgreSQL, and a hub on 127.0.0.1. The command deploys the demo model from
that hub, a second replica is added, and while the command draws, one replica is killed.

usage: python benchmarks/gpustack_cluster PYTHON [--count 20] [--output FOLDER]

PYTHON is that of an environment with gpustack 2.3.0; the programs of PostgreSQL are on the path.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import gpustack_draw
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.serve.gpustack_backend import DEFAULT_IMAGE

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from loopback_hub import LoopbackHub

SERVER_PORT, PROXY_PORT, WORKER_PORT, DATABASE_PORT = 19480, 19482, 19485, 19432
SERVICE_PORTS = "19500-19539"
SERVER = f"http://127.0.0.1:{SERVER_PORT}"
REPOSITORY, NAME = "rig/demo-GGUF", "demo-Q4_0"
PROMPT, FIRST_SEED = "three green stars", 100
PASSWORD = "Rig-password-1"  # noqa: S105 - of a server on 127.0.0.1 that lives for minutes
COMMAND = str(Path(sys.executable).with_name("gpustack-draw"))
FINISHED_BEFORE_KILL = 4
MINUTES = 60.0


@dataclass
class Api:
    """GPUStack's management API."""

    key: str = ""
    _cookies: CookieJar = field(default_factory=CookieJar)

    def request(self, method: str, path: str, body: object = None, **form: str) -> Any:
        """Send JSON or a form, and return the JSON of the response."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        data = urllib.parse.urlencode(form).encode() if form else None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(SERVER + path, data, headers, method=method)  # noqa: S310
        cookies = urllib.request.HTTPCookieProcessor(self._cookies)
        opener = urllib.request.build_opener(cookies, urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=MINUTES) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a list."""
        found: list[dict[str, Any]] = self.request("GET", path)["items"]
        return found


def wait_until(what: str, found: Callable[[], Any], minutes: float = 10.0) -> Any:
    """Return the first result that is true; ends the program after the time."""
    start = time.monotonic()
    while time.monotonic() - start < minutes * MINUTES:
        with contextlib.suppress(OSError, RuntimeError, LookupError):
            if result := found():
                print(f"{what}: after {time.monotonic() - start:.0f} s", flush=True)
                return result
        time.sleep(1)
    sys.exit(f"{what}: not within {minutes:g} minutes")


@dataclass(frozen=True)
class Rig:
    """The folder of a cluster, and the Python of its environment."""

    python: str
    folder: Path

    @property
    def state(self) -> Path:
        """Folder for the processes that stand for containers."""
        return self.folder / "state"

    @contextlib.contextmanager
    def database(self) -> Iterator[None]:
        """Run PostgreSQL, as another user if this one is root."""
        user = "postgres" if os.geteuid() == 0 else None
        data = self.folder / "database"
        data.mkdir()
        if user is not None:
            shutil.chown(data, user)
        options = f"-p {DATABASE_PORT} -h 127.0.0.1 -k {data} -c fsync=off -c shared_buffers=32MB"

        def run(*arguments: str) -> None:
            subprocess.run(arguments, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL)

        run("initdb", "-D", str(data / "files"), "-A", "trust", "-E", "UTF8", "-U", "postgres")
        control = ("pg_ctl", "-D", str(data / "files"), "-w")
        run(*control, "-l", str(data / "log"), "-o", options, "start")
        try:
            address = ("-h", "127.0.0.1", "-p", str(DATABASE_PORT), "-U", "postgres")
            run("createdb", *address, "gpustack")
            yield
        finally:
            run(*control, "-m", "fast", "stop")

    @contextlib.contextmanager
    def node(self, name: str, hub: LoopbackHub, *options: str) -> Iterator[None]:
        """Run a server or a worker of GPUStack."""
        commands = {f"{DEFAULT_IMAGE}:{gpustack_draw.__version__}-cpu": [COMMAND]}
        variables = {
            **os.environ,
            **hub.environment(self.folder / f"{name}-hub"),
            "RIG_STATE": str(self.state),
            "RIG_COMMANDS": json.dumps(commands),
        }
        script = Path(__file__).with_name("node.py")
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [self.python, str(script), *options, "--data-dir", str(self.folder / name)],
                cwd=self.folder,
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            end_group(process)

    def finished_requests(self) -> int:
        """Return the number of pictures that all replicas have drawn so far."""
        logs = (path.read_bytes() for path in self.state.glob("*.log"))
        return sum(log.count(b"POST /v1/images/generations 200") for log in logs)

    def replica_pids(self) -> list[int]:
        """Return the processes that stand for containers."""
        records = [json.loads(path.read_text()) for path in self.state.glob("*.state.json")]
        return sorted(record["pid"] for record in records)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
            return


def set_up(api: Api) -> str:
    """Create a key, a cluster and the backend; return the token for workers."""
    wait_until("server", lambda: api.request("GET", "/version"))
    login = {"username": "admin", "password": PASSWORD}
    wait_until("login", lambda: api.request("POST", "/auth/login", **login) is None)
    key = {"name": "rig", "expires_in": 0, "scope": ["*"]}
    api.key = api.request("POST", "/v2/api-keys", key)["value"]
    cluster = {"name": "rig", "provider": "Docker", "is_default": True}
    number = api.request("POST", "/v2/clusters", cluster)["id"]
    definition = subprocess.check_output([COMMAND, "serve", "--gpustack-backend"], text=True)
    added = api.request("POST", "/v2/inference-backends/from-yaml", {"content": definition})
    print(f"backend accepted: {added['backend_name']} {sorted(added['version_configs'])}")
    token = api.request("GET", f"/v2/clusters/{number}/registration-token")["token"]
    assert isinstance(token, str)
    return token


def draw_command(model: str, folder: Path, count: int, *options: str) -> list[str]:
    """Return the command that draws pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = ["--count", str(count), "--seed", str(FIRST_SEED)]
    output = ["--size", "256x256", "--output", f"{folder}/", "--json"]
    return [COMMAND, model, PROMPT, *seeds, *output, *options]


def kill_replica(rig: Rig, finished: int) -> None:
    """Kill a replica once the replicas have finished so many requests."""
    while rig.finished_requests() < finished:
        time.sleep(0.02)
    pid = rig.replica_pids()[0]
    os.killpg(pid, signal.SIGKILL)
    print(f"killed a replica after {rig.finished_requests()} requests", flush=True)


def kill_while_drawing(rig: Rig, command: list[str], environment: Mapping[str, str]) -> list[Any]:
    """Run the command, kill a replica after a few pictures, and return the pictures' records."""
    finished = rig.finished_requests() + FINISHED_BEFORE_KILL
    killer = threading.Thread(target=kill_replica, args=(rig, finished), daemon=True)
    killer.start()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    print(f"exit status {done.returncode}, {len(records)} pictures")
    assert not killer.is_alive()
    return records


def compare(records: list[Any], folder: Path, count: int) -> bool:
    """Compare the pictures of the cluster with those of this machine."""
    seeds = [record["seed"] for record in records]
    expected = list(range(FIRST_SEED, FIRST_SEED + count))
    print(f"seeds right: {seeds == expected} ({seeds})")
    local = subprocess.check_output(draw_command("demo", folder, count), text=True)
    paths = {record["seed"]: record["path"] for record in map(json.loads, local.splitlines())}
    worst = 0
    for record in records:
        pair = (record["path"], paths[record["seed"]])
        drawn, expected_picture = (np.asarray(Image.open(path), dtype=int) for path in pair)
        worst = max(worst, int(np.abs(drawn - expected_picture).max()))
    print(f"largest difference from this machine's pictures: {worst} of 255")
    return seeds == expected and worst <= 2


def states(api: Api) -> list[str]:
    """Return the states of the model's instances."""
    return [each["state"] for each in api.items("/v2/model-instances?perPage=100")]


def run(rig: Rig, hub: LoopbackHub, count: int) -> bool:
    """Set the cluster up, deploy, draw, and return whether all pictures were right."""
    api = Api()
    token = set_up(api)
    ports = ("--worker-port", str(WORKER_PORT), "--service-port-range", SERVICE_PORTS)
    place = ("--worker-ip", "127.0.0.1", "--worker-ifname", "lo", "--disable-worker-metrics")
    with rig.node("worker", hub, "--server-url", SERVER, "--token", token, *ports, *place):
        wait_until(
            "worker",
            lambda: [each for each in api.items("/v2/workers") if each["state"] == "ready"],
        )
        environment = {
            **os.environ,
            **hub.environment(rig.folder / "client-hub"),
            "GPUSTACK_SERVER_URL": SERVER,
            "GPUSTACK_API_KEY": api.key,
        }
        start = time.monotonic()
        deploy = draw_command(f"hf.co/{REPOSITORY}", rig.folder / "first", 1, "--on", "server")
        subprocess.run(deploy, env=environment, check=True)
        print(f"deployed from the hub, and a picture drawn: after {time.monotonic() - start:.0f} s")
        (model,) = api.items("/v2/models")
        shown = ("huggingface_filename", "backend", "backend_version", "backend_parameters", "env")
        print(json.dumps({name: model[name] for name in shown}, indent=1))
        api.request("PUT", f"/v2/models/{model['id']}", {**model, "replicas": 2})
        wait_until("two replicas", lambda: states(api) == ["running"] * 2)
        drawn = draw_command(NAME, rig.folder / "cluster", count)
        is_right = compare(kill_while_drawing(rig, drawn, environment), rig.folder / "local", count)
        wait_until("two replicas again", lambda: states(api) == ["running"] * 2)
        api.request("DELETE", f"/v2/models/{model['id']}")
        wait_until("no replica left", lambda: not rig.replica_pids())
    return is_right


def main() -> int:
    """Run the cluster, and return 0 if all pictures were right."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("python", help="Python of an environment with gpustack")
    parser.add_argument("--count", type=int, default=20, help="number of pictures (default: 20)")
    parser.add_argument("--output", type=Path, help="folder for logs and pictures (default: none)")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.output or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # the database may run as another user
        rig = Rig(arguments.python, folder.resolve())
        rig.state.mkdir()
        hub = LoopbackHub()
        stack.callback(hub.close)
        hub.add(REPOSITORY, {f"{NAME}.gguf": DEMO_FILE, "demo-pure-Q4_0.gguf": DEMO_FILE})
        stack.enter_context(rig.database())
        options = {
            "--database-url": f"postgresql://postgres@127.0.0.1:{DATABASE_PORT}/gpustack",
            "--port": str(SERVER_PORT + 1),
            "--api-port": str(SERVER_PORT),
            "--proxy-port": str(PROXY_PORT),
            "--gateway-mode": "disabled",
            "--bootstrap-password": PASSWORD,
        }
        pairs = [word for pair in options.items() for word in pair]
        switches = ("worker", "builtin-observability", "update-check", "metrics")
        pairs += [f"--disable-{name}" for name in switches]
        stack.enter_context(rig.node("server", hub, *pairs))
        return 0 if run(rig, hub, arguments.count) else 1


if __name__ == "__main__":
    sys.exit(main())
