"""Traefik as Stoa runs it: the checkout's own two files, with this machine's addresses put in."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stoa.servers.asking import ask
from stoa.servers.server import ServerFailed, base_environment, write


def static_part(files: Path, read_timeout_s: int, collector: str) -> dict[str, Any]:
    """The checkout's traefik.yaml with the settings in it; with a `collector` that one is told of spans."""
    static: dict[str, Any] = yaml.safe_load((files / "traefik.yaml").read_text())
    times = static["entryPoints"]["web"]["transport"]["respondingTimeouts"]
    times |= {"readTimeout": f"{read_timeout_s}s", "writeTimeout": f"{2 * read_timeout_s}s"}
    if collector:
        static["tracing"] = {"serviceName": "gateway", "otlp": {"http": {"endpoint": f"{collector}/v1/traces"}}}
    return static


@dataclass
class Gateway:
    """One Traefik; `files` holds traefik.yaml and routes.yaml, `variables` is what routes.yaml reads.

    With a `collector` it tells that one of its spans, by OTLP over http.
    """

    folder: Path
    host: str
    port: int
    ops_port: int
    files: Path
    variables: Mapping[str, str]
    read_timeout_s: int = 300
    collector: str = ""
    name: str = "gateway"

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    @property
    def log(self) -> Path:
        return self.folder / "gateway.log"

    @property
    def configuration(self) -> Path:
        return self.folder / "traefik.yaml"

    @property
    def ports(self) -> list[int]:
        return [self.port, self.ops_port]

    @property
    def command(self) -> list[str]:
        binary = Path(sys.executable).parent / "traefik"
        if not binary.exists():
            raise ServerFailed("Traefik is not installed in this environment; deploy/local/bootstrap.sh brings it.")
        return [str(binary), f"--configFile={self.configuration}"]

    @property
    def environment(self) -> dict[str, str]:
        own = {"STOA_OPS_URL": self.ops_url, "NO_COLOR": "1"}
        if self.collector:
            own["OTEL_BSP_SCHEDULE_DELAY"] = "1000"  # ms, as the services gather theirs (`common.spans`)
        return base_environment(self.folder) | own | dict(self.variables)

    @property
    def ops_url(self) -> str:
        return f"http://127.0.0.1:{self.ops_port}"

    def prepare(self) -> None:
        write(self.configuration, yaml.safe_dump(self._static(), sort_keys=False))

    def ready(self) -> bool:
        """Routes are loaded: at a cold start a broken file means that there are none at all."""
        return any(entry["provider"] == "file" for entry in self._list("routers"))

    def faults(self) -> list[str]:
        """What Traefik itself says is wrong with its configuration, one sentence each."""
        entries = [entry for kind in ("routers", "services", "middlewares") for entry in self._list(kind)]
        named = [f"{entry['name']}: {error}" for entry in entries for error in entry.get("error", [])]
        return named or self._counted_faults()

    def sends_to(self, url: str) -> bool:
        """Whether requests are led to this address: its last health check was good."""
        return any(entry.get("serverStatus", {}).get(url) == "UP" for entry in self._list("services"))

    def clean_up(self) -> None:
        """Traefik leaves nothing behind."""

    def _counted_faults(self) -> list[str]:
        """What the overview counts; a Traefik that does not say that all is well is at fault too."""
        answer = ask(f"{self.ops_url}/api/overview")
        if answer is None or not answer.is_success:
            return ["its overview does not answer"]
        kinds = [(name, counts) for part in ("http", "tcp", "udp") for name, counts in answer.json()[part].items()]
        return [f"{counts['errors']} faulty {name}" for name, counts in kinds if counts["errors"]]

    def _list(self, kind: str) -> list[dict[str, Any]]:
        answer = ask(f"{self.ops_url}/api/http/{kind}?per_page=1000")
        return answer.json() if answer is not None and answer.is_success else []

    def _static(self) -> dict[str, Any]:
        static = static_part(self.files, self.read_timeout_s, self.collector)
        static["entryPoints"]["web"]["address"] = f"{self.host}:{self.port}"
        static["entryPoints"]["ops"]["address"] = f"127.0.0.1:{self.ops_port}"
        static["providers"]["file"]["filename"] = str((self.files / "routes.yaml").absolute())
        return static
