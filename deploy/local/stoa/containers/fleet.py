"""Brings the stack up in containers and takes it down."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml
from dotenv import dotenv_values

from stoa.containers import engine
from stoa.containers.choosing import FOLDER
from stoa.containers.engine import ALL, COMPOSE, FILES, NAME, RUNNING, Compose
from stoa.containers.showing import lines_of
from stoa.containers.variables import MACHINE, as_file, collector, static, variables
from stoa.credentials import read_credentials
from stoa.encryption import make_certificate
from stoa.hearing import Ear
from stoa.operating import Way
from stoa.preflight import NotNow
from stoa.seeding import make_admin, seed
from stoa.servers import SCHEMAS
from stoa.servers.gateway import static_part
from stoa.servers.server import write
from stoa.settings import ROOT, Settings
from stoa.starting import Step
from stoa.status import Line

PROJECT = "stoa"
STOP_S = 40
"""Longer than a container is given to end (`stop_grace_period`)."""


class Fleet:
    """One Compose project; `more` are descriptions that are laid over `deploy/compose.yaml`.

    Without a name, and without more, it is what the run folder knows from the last start, else Stoa.
    """

    kind = "containers"

    def __init__(self, settings: Settings, step: Step, more: Sequence[Path] = (), project: str = "") -> None:
        self.settings = settings
        self.compose = Compose(self._variables)
        self._more = more
        self._project = project
        self._step = step

    @property
    def _variables(self) -> Path:
        return self.settings.folder / FOLDER / "variables.env"

    @property
    def ear(self) -> Ear:
        """Where this machine hears the containers' spans."""
        return Ear(static(self.settings), MACHINE, engine.address_here())

    def up(self) -> None:
        """Start what does not run, wait until all of it is ready; on a failure undo what this call began."""
        if not engine.answers():
            raise NotNow("Docker does not answer here; start its engine, or set STOA_DOCKER=off.")
        self._tell()
        ran = bool(self.compose.containers())
        try:
            self._raise()
        except BaseException:
            if not ran:
                with self._step("stop what this call started"):
                    self._lower()
            raise

    def down(self) -> int:
        """Stop everything, data stays; say how many containers there were."""
        if not self._variables.exists():
            return 0
        return self._lower()

    def delete(self) -> None:
        """Stop everything and delete its data."""
        if self._variables.exists():
            self._take_down("--volumes")
            shutil.rmtree(self.settings.folder)

    def restart(self, names: Sequence[str]) -> None:
        """Put new containers in the place of those of these services; of all if none is named. Raises NotNow."""
        if strange := set(names) - {*SCHEMAS, "portal"}:
            raise NotNow(f"There is no service {min(strange)}; there are: {', '.join(SCHEMAS)}, portal.")
        self._check_running()
        self._tell()
        for name in names or (*SCHEMAS, "portal"):
            with self._step(f"restart {name}"):
                chosen = [it for it in self._services() if it.split("-")[0] == name and not it.endswith("-migration")]
                self._start("--build", "--force-recreate", "--no-deps", *self._scales(chosen), *chosen)

    def migrate(self) -> None:
        """Migrate the schemas of a running database."""
        self._check_running()
        with self._step("migrate six schemas"):
            for name in SCHEMAS:
                sentence = f"The schema of {name} cannot be migrated."
                self.compose.do(sentence, "run", "--rm", "--no-deps", f"{name}-migration")

    def wait(self) -> None:
        """Wait until every container is ready."""
        self._check_running()
        self._start("--no-recreate", *self._scales(self._services()))

    def status(self) -> list[Line]:
        """One line per container; migrations that have ended well are none."""
        told = self.compose.containers() if self._variables.exists() else []
        return lines_of(told, engine.memory_mb([it["ID"] for it in told if it["State"] == RUNNING]))

    def logs(self, name: str, lines: int, *, follow: bool) -> int:
        """Print what a service's containers have written, or all; the exit code. Raises NotNow."""
        self._check_running()
        more = ["--follow"] if follow else []
        return self.compose.at_terminal("logs", "--no-log-prefix", f"--tail={lines}", *more, *([name] if name else []))

    def way_to(self, service: str, *handed: str) -> Way:
        """How a service's own commands are run; variables of these names go along. Raises NotNow without it."""
        self._check_running()
        told = [word for name in handed for word in ("--env", name)]
        words = self.compose.command("exec", "-T", *told, service, "python", "-m", f"{service}.commands")
        return Way(words, self.compose.environment)

    def _tell(self) -> None:
        """Write what Compose is told; a name and descriptions of an earlier start are kept."""
        make_certificate(self.settings)
        known = dotenv_values(self._variables, interpolate=False) if self._variables.exists() else {}
        project = self._project or known.get(NAME) or PROJECT
        more = self._more or (known.get(FILES) or "").split(os.pathsep)[1:]
        own = {NAME: project, FILES: os.pathsep.join(map(str, (COMPOSE, *more)))}
        self._variables.parent.mkdir(parents=True, exist_ok=True)
        told = static_part(ROOT / "gateway", self.settings.read_timeout_s, collector(self.settings))
        write(static(self.settings), yaml.safe_dump(told, sort_keys=False), 0o644)
        write(self._variables, as_file(variables(self.settings, read_credentials(self.settings), project) | own))

    def _raise(self) -> None:
        with self._step("build seven images"):
            self.compose.do("The images cannot be built.", "build", "--quiet")
        with self._step("start servers, migrate six schemas, start services and gateway"):
            self._start("--remove-orphans", *self._scales(self._services()))
        with self._step("create the administrator" + (", seed the demo" if self.settings.with_demo else "")):
            make_admin(self.settings, self.way_to("auth", "STOA_ADMIN_PASSWORD"))
            if self.settings.with_demo:
                seed(self.settings)

    def _start(self, *words: str) -> None:
        limit = str(self.settings.start_limit_s)
        sentence = f"Not all containers are ready within {limit} s (STOA_START_LIMIT_S)."
        self.compose.do(sentence, "up", "--detach", "--wait", "--wait-timeout", limit, *words)

    def _scales(self, services: Sequence[str]) -> list[str]:
        """How many of each of these, where it is more than one."""
        told = [word for word in self.settings.replicas.split() if word.partition("=")[0] in services]
        return [word for each in told for word in ("--scale", each)]

    def _services(self) -> list[str]:
        return self.compose.do("The description cannot be read.", "config", "--services").split()

    def _check_running(self) -> None:
        if not self._variables.exists() or not self.compose.containers():
            raise NotNow("Nothing is running; `stoa up` starts it.")

    def _lower(self) -> int:
        count = sum(1 for each in self.compose.containers() if each["State"] == RUNNING)
        self._take_down()
        return count

    def _take_down(self, *words: str) -> None:
        sentence = "Docker could not take the containers down."
        self.compose.do(sentence, *ALL, "down", "--remove-orphans", "--timeout", str(STOP_S), *words)
