"""MariaDB as Stoa runs it: durable, READ COMMITTED, one schema and one user per service."""

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pymysql

from stoa.servers.server import (
    SCHEMAS,
    ServerFailed,
    base_environment,
    drop_socket,
    program,
    run_through,
    socket_path,
    write,
)

CONFIGURATION = """\
[mysqld]
datadir = {data}
socket = {socket}
pid-file = {folder}/mariadbd.pid
tmpdir = {folder}/tmp
init-file = {folder}/init.sql
bind-address = 127.0.0.1
port = {port}
skip-name-resolve
local-infile = 0
character-set-server = utf8mb4
collation-server = utf8mb4_unicode_520_ci
default-time-zone = +00:00
sql-mode = STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY
transaction-isolation = READ-COMMITTED
innodb_flush_log_at_trx_commit = 1
innodb_lock_wait_timeout = 3
innodb_buffer_pool_size = {buffer_pool_mb}M
innodb_log_file_size = 64M
max_connections = {max_connections}
performance_schema = OFF
"""


def _fresh_passwords() -> dict[str, str]:
    return {schema: secrets.token_urlsafe(18) for schema in SCHEMAS}


@dataclass
class MariaDb:
    """One MariaDB; `passwords` maps each schema to the password of its user of the same name."""

    folder: Path
    port: int
    root_password: str
    passwords: Mapping[str, str] = field(default_factory=_fresh_passwords)
    buffer_pool_mb: int = 128
    max_connections: int = 300
    name: str = "mysql"

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    @property
    def log(self) -> Path:
        return self.folder / "mariadb.log"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        return socket_path(self.folder, "mysql.sock")

    @property
    def configuration(self) -> Path:
        return self.folder / "my.cnf"

    @property
    def ports(self) -> list[int]:
        return [self.port]

    @property
    def command(self) -> list[str]:
        binary = program("mariadbd", "mariadb-server")
        return [binary, f"--defaults-file={self.configuration}", *self._user()]

    @property
    def environment(self) -> dict[str, str]:
        return base_environment(self.folder)

    def url(self, schema: str) -> str:
        """Give the database URL of the schema's own user."""
        return self._url(schema, self.passwords[schema], schema)

    def root_url(self, schema: str = "") -> str:
        """Give the URL of the user who may do everything."""
        return self._url("root", self.root_password, schema)

    def prepare(self) -> None:
        if " " in str(self.folder):
            raise ServerFailed(f"MariaDB's installer cannot work in a path with a space: {self.folder}.")
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        text = CONFIGURATION.format(
            folder=self.folder,
            data=self.data,
            socket=self.socket,
            port=self.port,
            buffer_pool_mb=self.buffer_pool_mb,
            max_connections=self.max_connections,
        )
        write(self.configuration, text)
        write(self.folder / "init.sql", self._first_statements())
        if not self.data.exists():
            self._initialise()

    def ready(self) -> bool:
        try:
            connection = pymysql.connect(
                host="127.0.0.1", port=self.port, user="root", password=self.root_password, connect_timeout=2
            )
        except pymysql.MySQLError:
            return False
        connection.close()
        return True

    def clean_up(self) -> None:
        drop_socket(self.socket)

    def client(self, name: str) -> list[str]:
        """The command of one of its client programs, as the user who may do everything; the password is in a file."""
        options = self.folder / "client.cnf"
        password = self.root_password.replace("\\", "\\\\").replace('"', '\\"')
        write(options, f'[client]\nsocket = {self.socket}\nuser = root\npassword = "{password}"\n')
        return [program(name, "mariadb-client"), f"--defaults-file={options}"]

    def version(self) -> str:
        """What the running server calls itself."""
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", password=self.root_password)
        with connection:
            return str(connection.get_server_info())  # type: ignore[no-untyped-call]

    def _url(self, user: str, password: str, schema: str) -> str:
        return f"mysql+pymysql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{schema}?charset=utf8mb4"

    def _user(self) -> list[str]:
        return ["--user=root"] if os.getuid() == 0 else []

    def _first_statements(self) -> str:
        """List what the server runs at each start, so that users and passwords are always as given."""
        lines = [
            f"CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY {_text(self.root_password)};",
            f"ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY {_text(self.root_password)};",
            "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;",
            f"ALTER USER 'root'@'localhost' IDENTIFIED BY {_text(self.root_password)};",
        ]
        for schema, password in self.passwords.items():
            user = f"'{schema}'@'127.0.0.1'"
            lines += [
                f"CREATE DATABASE IF NOT EXISTS `{schema}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;",
                f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY {_text(password)};",
                f"ALTER USER {user} IDENTIFIED BY {_text(password)};",
                f"GRANT ALL PRIVILEGES ON `{schema}`.* TO {user};",
            ]
        return "\n".join(lines) + "\n"

    def _initialise(self) -> None:
        """Make the data folder beside its final place, so that an interrupted try leaves none."""
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        command = [
            program("mariadb-install-db", "mariadb-server"),
            f"--defaults-file={self.configuration}",
            f"--datadir={draft}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *self._user(),
        ]
        code, output = run_through(command, self.environment)
        if code != 0:
            last = "\n".join(output.splitlines()[-15:])
            raise ServerFailed(f"MariaDB cannot make its data folder in {self.folder}.", last)
        draft.rename(self.data)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
