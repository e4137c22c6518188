"""The development mailbox: takes every mail by SMTP and shows it in a browser, delivers none."""

from dataclasses import dataclass
from pathlib import Path

from stoa.servers.asking import says_yes
from stoa.servers.server import ServerFailed, base_environment, yielding


@dataclass
class Mailbox:
    """Sendria, from a Python environment of its own; it listens for SMTP on `port` and for browsers on `web_port`."""

    folder: Path
    port: int
    web_port: int
    venv: Path
    name: str = "mailbox"

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    @property
    def log(self) -> Path:
        return self.folder / "mailbox.log"

    @property
    def ports(self) -> list[int]:
        return [self.port, self.web_port]

    @property
    def command(self) -> list[str]:
        python = self.venv / "bin" / "python"
        if not python.exists():
            raise ServerFailed(f"The mailbox is not installed in {self.venv}; deploy/local/bootstrap.sh brings it.")
        options = {
            "--db": str(self.folder / "mails.sqlite"),
            "--smtp-ip": "127.0.0.1",
            "--smtp-port": str(self.port),
            "--http-ip": "127.0.0.1",
            "--http-port": str(self.web_port),
        }
        pairs = [part for option in options.items() for part in option]
        return yielding([str(python), "-m", "sendria", "--foreground", "--no-quit", *pairs])

    @property
    def environment(self) -> dict[str, str]:
        return base_environment(self.folder) | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def ready(self) -> bool:
        return says_yes(f"{self.url}/api/messages/")

    def clean_up(self) -> None:
        """The mails stay, to be read after the next start."""
