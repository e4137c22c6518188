"""Load from `wrk`, which costs so little itself that on one machine the servers are measured and not the client."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring.results import NoLoad
from measuring.tools import WRK

UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
SCRIPT = """
local requests, n = {}, SKIP
init = function(arguments)
  for line in io.lines("FILE") do
    local path, token, body = line:match("([^\\t]*)\\t?([^\\t]*)\\t?(.*)")
    local headers, method = {}, "GET"
    if token ~= "" then headers["Authorization"] = "Bearer " .. token end
    if body ~= "" then method, headers["Content-Type"] = "POST", "application/json" end
    requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
end
request = function()
  n = n % #requests + 1
  return requests[n]
end
"""


@dataclass(frozen=True)
class Load:
    """What came of it: requests per second, half of them within `p50_ms`, and those that were not answered with 2xx."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True)
class Sent:
    """Something that somebody asks for, or posts if it has a body."""

    path: str
    token: str
    body: str = ""


def ended(command: Sequence[str | Path], seconds: float, **environment: str) -> str:
    """What a program has printed by its end. Raises NoLoad when it fails, or has not ended after so many seconds."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(  # noqa: S603 - ours, or a client that measures
            command, capture_output=True, text=True, check=True, timeout=seconds, env=os.environ | environment
        )
    except subprocess.TimeoutExpired as failure:
        raise NoLoad(f"{name} has not ended within {seconds:.0f} s.") from failure
    except subprocess.CalledProcessError as failure:
        raise NoLoad(f"{name} failed: {(failure.stderr or failure.stdout).strip()}") from failure
    return done.stdout


def load(url: str, asked: Sequence[str | Sent], folder: Path, *, seconds: int, connections: int, skip: int = 0) -> Load:
    """Ask for these paths, or send these bodies, in turn, again and again, for so long. Raises NoLoad."""
    (folder / "asked").write_text("\n".join(map(_line, asked)))
    script = folder / "load.lua"
    script.write_text(SCRIPT.replace("FILE", str(folder / "asked")).replace("SKIP", str(skip % len(asked))))
    command = [WRK.path(), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    return _read(ended(command, seconds + 30))


def _line(asked: str | Sent) -> str:
    return asked if isinstance(asked, str) else f"{asked.path}\t{asked.token}\t{asked.body}"


def _read(text: str) -> Load:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    if rate is None:
        raise NoLoad(f"wrk said something unknown: {text}")
    errors = int(failed[1]) if failed else 0
    return Load(
        float(rate[1]),
        _share(text, "50"),
        _share(text, "99"),
        errors + sum(map(int, broken.groups() if broken else ())),
    )


def _share(text: str, percent: str) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", text)
    return float(found[1]) * UNITS_MS[found[2]] if found else 0.0
