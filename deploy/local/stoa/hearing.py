"""Where a collector on this machine hears what the running stack tells of its spans."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from stoa.preflight import NotNow

LOOPBACK = "127.0.0.1"
OFF = "Nobody tells of spans; `STOA_TRACES=on make up` starts the services again, so that they do."


@dataclass(frozen=True)
class Ear:
    """The gateway's static part, how the stack calls this machine, and at which of its addresses one can listen."""

    static: Path
    machine: str
    address: str

    @property
    def port(self) -> int:
        """Where the running gateway sends its spans; the services are told the same. Raises NotNow if not here."""
        try:
            told: str = yaml.safe_load(self.static.read_text())["tracing"]["otlp"]["http"]["endpoint"]
        except (FileNotFoundError, KeyError):
            raise NotNow(OFF) from None
        endpoint = urlsplit(told)
        if endpoint.hostname != self.machine or endpoint.port is None:
            raise NotNow(f"Spans are sent to {endpoint.netloc}; look there, or start with `STOA_TRACES=on make up`.")
        return endpoint.port
