"""Brings the whole stack up and takes it down; what could not be finished is undone."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from stoa.backends import MakeBackends, native
from stoa.credentials import read_credentials
from stoa.encryption import make_certificate, trusted
from stoa.hearing import LOOPBACK, Ear
from stoa.holding import held
from stoa.marks import end, marked
from stoa.migrating import migrate
from stoa.operating import Way
from stoa.preflight import NotNow, check_installed, check_place
from stoa.seeding import make_admin, seed
from stoa.servers import Server
from stoa.servers.asking import says_yes
from stoa.servers.server import tail
from stoa.settings import Settings
from stoa.stack import Stack
from stoa.supervision import Supervisor

SERVERS = {"mysql", "redis", "rabbitmq", "balancer"}
"""Who is stopped last; nodes of a cluster are called mysql-1 and so on."""
DEAD = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}
FAILING = {"BACKOFF", "FATAL", "EXITED"}
UNFINISHED = "restoring"
"""The file that is in the run folder from the begin of a restore until its data is whole."""
PATIENCE = 3
"""How often a program may end during a start before we call it broken."""

Step = Callable[[str], AbstractContextManager[None]]


class House:
    """The stack on this machine; `step` is told what is being done, as a context manager.

    `detours` are ports at which services find others instead, by listener; `backends` make the servers. `places` may
    name the folder of another release of a service, which is run from its next start on.
    """

    kind = "processes"

    def __init__(
        self,
        settings: Settings,
        step: Step,
        detours: Mapping[str, int] | None = None,
        backends: MakeBackends = native,
    ) -> None:
        self.settings = settings
        self._detours = detours or {}
        self._backends = backends
        self.places: dict[str, Path] = {}
        self.supervisor = Supervisor(settings.folder, settings.log_megabytes)
        self._step = step

    @property
    def ear(self) -> Ear:
        """Where this machine hears the processes' spans."""
        return Ear(self._described().gateway.configuration, LOOPBACK, LOOPBACK)

    def up(self) -> Stack:
        """Start what does not run, wait until all of it is ready; on any failure undo what this call did."""
        if (self.settings.folder / UNFINISHED).exists():
            raise NotNow("A restore was broken off, so the schemas are not whole; `stoa restore` has to be repeated.")
        check_place(self.settings)
        with self.alone():
            make_certificate(self.settings)
            stack = self._described()
            check_installed(stack.everything())
            running = self._running()
            try:
                self._raise(stack)
            except BaseException:
                self._undo(running)
                raise
        return stack

    def exchange(self, change: Callable[[Stack], None]) -> Stack:
        """Stop all that uses the servers, let what these hold be changed, and start all of it again.

        When the change fails only the servers run.
        """
        check_place(self.settings)
        with self.alone():
            make_certificate(self.settings)
            stack = self._described()
            check_installed(stack.everything())
            if running := self._running():
                with self._step("stop gateway, services and workers"):
                    self._stop([name for name in ("gateway",) if name in running])
                    services: list[Server] = [*stack.web, *stack.workers]
                    self._stop([each.name for each in services if each.name in running])
            self._raise_servers(stack)
            with self._step("start Redis and RabbitMQ"):
                self.wait(stack.servers())
            change(stack)
            self._raise(stack)
        return stack

    def down(self) -> int:
        """Stop everything, wherever it hides; say how many processes there were."""
        if not self.settings.folder.exists():
            return 0
        with self.alone():
            return self._lower()

    def delete(self) -> None:
        """Stop everything and delete its data."""
        self.down()
        shutil.rmtree(self.settings.folder, ignore_errors=True)

    def restart(self, names: Sequence[str]) -> None:
        """Put new processes in the place of those of these services, one after the other; of all if none is named.

        With two replicas nobody notices. Raises NotNow for what is no service or does not come back.
        """
        with self.alone():
            stack = self._found_running()
            chosen = stack.replaceable(names)
            if late := {each.name for each in chosen} - self.supervisor.states().keys():
                raise NotNow(f"{min(late)} has not been started yet; `stoa up` does.")
            self.supervisor.describe(stack.everything())
            for process in chosen:
                with self._step(f"restart {process.name}"):
                    self._renew(stack, process)

    def migrate(self) -> None:
        """Migrate the schemas of a running database."""
        stack = self._described()
        if not stack.mysql.ready():
            raise NotNow("The database is not running; `stoa up` starts it.")
        self._migrate(stack)

    def way_to(self, service: str, *_handed: str) -> Way:
        """How a service's own commands are run. Raises NotNow without a database."""
        stack = self._described()
        if not stack.mysql.ready():
            raise NotNow("The database is not running; `stoa up` starts it.")
        return stack.way_to(service)

    def wait(self, processes: Sequence[Server] | None = None) -> None:
        """Wait until these are ready, or all; a program that keeps ending, or the limit, ends it."""
        deadline = time.monotonic() + self.settings.start_limit_s
        ends: dict[str, set[int]] = {}
        waiting = list(self._found_running().everything() if processes is None else processes)
        while waiting := [process for process in waiting if not process.ready()]:
            self._refuse_the_broken(waiting, ends)
            if time.monotonic() > deadline:
                late = waiting[0].name
                sentence = f"{late} was not ready within {self.settings.start_limit_s} s (STOA_START_LIMIT_S)."
                raise NotNow(sentence, tail(self.supervisor.log_of(late)))
            time.sleep(0.1)

    def _raise(self, stack: Stack) -> None:
        self._raise_servers(stack)
        self._migrate(stack)
        with self._step("start Redis and RabbitMQ"):
            self.wait(stack.servers())
        for process in (*stack.applications(), stack.gateway):
            self.supervisor.start(process.name)
        with self._step("start services, workers, mailbox and portal"):
            self.wait(stack.applications())
        with self._step("open the gateway"):
            self.wait([stack.gateway])
            self._check_gateway(stack)
        with self._step("create the administrator" + (", seed the demo" if self.settings.with_demo else "")):
            make_admin(self.settings, stack.way_to("auth"))
            if self.settings.with_demo:
                seed(self.settings)

    def _described(self) -> Stack:
        return Stack(
            self.settings,
            read_credentials(self.settings),
            detours=self._detours,
            backends=self._backends,
            places=self.places,
        )

    def _raise_servers(self, stack: Stack) -> None:
        """Start them, and wait for the one that is needed first."""
        with self._step("prepare the servers"):
            self._prepare(stack)
        for server in stack.servers():
            self.supervisor.start(server.name)
        with self._step("start MariaDB"):
            self.wait(stack.database())

    def _found_running(self) -> Stack:
        if not self.supervisor.alive():
            raise NotNow("Nothing is running; `stoa up` starts it.")
        return self._described()

    def _renew(self, stack: Stack, process: Server) -> None:
        self._stop([process.name])
        self.supervisor.renew(process.name)
        self.supervisor.start(process.name)
        self.wait([process])
        if process in stack.web:
            url = self.settings.address_of(process.name)
            self._wait_until(lambda: stack.gateway.sends_to(url), f"The gateway does not lead to {process.name}.")

    def _migrate(self, stack: Stack) -> None:
        with self._step("migrate six schemas"):
            migrate(stack.migrations)

    def _prepare(self, stack: Stack) -> None:
        if not self.supervisor.alive():
            end(lambda: marked(self.settings.folder))  # orphans of a supervisor that was killed
        for folder in ("home", "uploads", "log"):
            (self.settings.folder / folder).mkdir(parents=True, exist_ok=True)
        for process in stack.everything():
            process.prepare()
        self.supervisor.configure(stack.everything())
        if not self.supervisor.alive():
            self.supervisor.launch()

    def _check_gateway(self, stack: Stack) -> None:
        if faults := stack.gateway.faults():
            raise NotNow(f"Traefik does not accept its routes: {faults[0]}.")
        url, ours = f"{self.settings.url}/api/health/", trusted(self.settings)
        self._wait_until(lambda: says_yes(url, trusted=ours), f"{url} does not answer 200.")

    def _wait_until(self, there: Callable[[], bool], sentence: str) -> None:
        """Look again and again; the limit ends the wait with this sentence."""
        deadline = time.monotonic() + self.settings.start_limit_s
        while not there():
            if time.monotonic() > deadline:
                raise NotNow(sentence)
            time.sleep(0.1)

    def _refuse_the_broken(self, waiting: Sequence[Server], ends: dict[str, set[int]]) -> None:
        states = self.supervisor.states()
        for name in (process.name for process in waiting):
            state = states[name]
            seen = ends.setdefault(name, {state.ended})
            if state.word in FAILING:
                seen.add(state.ended)
            if len(seen) > PATIENCE or state.word == "FATAL":
                raise NotNow(f"{name} does not start.", tail(self.supervisor.log_of(name)))

    def _running(self) -> set[str] | None:
        """What runs already; None if there is no supervisor."""
        if not self.supervisor.alive():
            return None
        return {name for name, state in self.supervisor.states().items() if state.word not in DEAD}

    def _undo(self, running: set[str] | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it behind
        with self._step("stop what this call started"):
            if running is None:
                self._lower()
            else:
                self._stop([name for name in self.supervisor.states() if name not in running])

    def _lower(self) -> int:
        count = len(marked(self.settings.folder))
        if self.supervisor.alive():
            names = set(self.supervisor.states())
            servers = {name for name in names if name.split("-")[0] in SERVERS}
            for wave in ({"gateway"} & names, names - servers, servers & names):
                self._stop(sorted(wave))
            self.supervisor.shut_down()
        end(lambda: marked(self.settings.folder))
        return count

    def _stop(self, names: Sequence[str]) -> None:
        for name in names:
            self.supervisor.stop(name)
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            states = self.supervisor.states()
            if all(states[name].word in DEAD for name in names):
                return
            time.sleep(0.1)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let two starts in one run folder not meet. Raises NotNow when another is at work."""
        self.settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self.settings.folder / "lock"
        lock.touch()
        with held(lock, "Another `stoa up` or `stoa down` is at work in this folder; wait for it."):
            yield
