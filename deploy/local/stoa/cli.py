"""The operator's command line: start, stop and look at the local stack."""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from common.service_tokens import new_service_key
from stoa import caring, locking, publishing, tracing
from stoa.containers import Fleet, in_containers
from stoa.credentials import read_credentials, sister_keys
from stoa.importing import Mode, OnError, Wishes, door, import_file
from stoa.preflight import NotNow
from stoa.servers import SCHEMAS
from stoa.settings import Settings, read_settings
from stoa.status import read_status, table
from stoa.supervision import Supervisor
from stoa.terminal import Password, Url, Username, console, house, sentences
from stoa.welcome import hidden_pages, welcome

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(caring.app)


@app.command()
def up() -> None:
    """Start the whole stack and wait until it is ready; what runs already is left alone."""
    with sentences():
        settings = read_settings()
        begun = time.monotonic()
        house(settings).up()
        console.print(f"  [dim]all of it in {time.monotonic() - begun:.1f} s[/dim]")
        welcome(console, settings, _hidden(settings))


@app.command()
def down() -> None:
    """Stop everything; harmless when nothing runs."""
    with sentences():
        at = house(read_settings())
        count = at.down()
        console.print(f"Stopped {count} {at.kind}." if count else "Nothing was running.")


@app.command()
def clean() -> None:
    """Stop everything and delete its data."""
    with sentences():
        house(read_settings()).delete()


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show each process; the exit code is 0 only if all are ready."""
    with sentences():
        at = house(read_settings())
        lines = at.status() if isinstance(at, Fleet) else read_status(at.settings)
        console.print_json(json.dumps([asdict(line) for line in lines])) if as_json else console.print(table(lines))
        raise typer.Exit(0 if all(line.ready for line in lines) else 1)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="A process, such as orders or catalog-worker; all if left out.")] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many of the last lines.")] = 100,
) -> None:
    """Print what a process has written."""
    with sentences():
        at = house(read_settings())
        if isinstance(at, Fleet):
            raise typer.Exit(at.logs(name, lines, follow=follow))
        folder = Supervisor(at.settings.folder).log
        files = sorted(map(str, folder.glob(f"{name or '*'}.log")))
        if not files:
            known = ", ".join(sorted(path.stem for path in folder.glob("*.log")))
            raise NotNow(f"There is no log of {name or 'anything'}; known are: {known or 'none'}.")
        sys.stdout.flush()
        os.execvp("tail", ["tail", "-n", str(lines), *(["-F"] if follow else []), *files])  # noqa: S606


@app.command()
def wait() -> None:
    """Wait until every process is ready."""
    with sentences():
        house(read_settings()).wait()


@app.command()
def restart(
    names: Annotated[list[str] | None, typer.Argument(help="Services, such as orders; all if left out.")] = None,
) -> None:
    """Put new processes in the place of the old, one after the other; with two replicas nobody notices."""
    with sentences():
        house(read_settings()).restart(names or [])


@app.command()
def urls() -> None:
    """Print the addresses, the demo accounts and three first calls."""
    with sentences():
        settings = read_settings()
        welcome(console, settings, _hidden(settings))


def _hidden(settings: Settings) -> dict[str, str]:
    """The pages and accounts of parts that only this machine reaches; in containers nobody does."""
    if in_containers(settings):
        return {}
    known = {"RabbitMQ account": f"stoa / {read_credentials(settings).rabbitmq_password}"}
    return hidden_pages(settings) | (known if settings.env != "production" else {})


@app.command()
def migrate() -> None:
    """Bring every schema of the running stack to its newest revision."""
    with sentences():
        house(read_settings()).migrate()


@app.command()
def create_admin(
    username: Annotated[str, typer.Option(prompt=True)],
    email: Annotated[str, typer.Option(prompt=True)],
    password: Annotated[
        str, typer.Option(envvar="STOA_NEW_PASSWORD", prompt=True, hide_input=True, confirmation_prompt=True)
    ],
) -> None:
    """Open an administrator's account; one that is there already is left as it is."""
    with sentences():
        account = ("--username", username, "--email", email)
        auth = house(read_settings()).way_to("auth", "STOA_ADMIN_PASSWORD")
        auth.change("create-admin", *account, STOA_ADMIN_PASSWORD=password)


@app.command()
def rotate_keys(
    *,
    compromised: Annotated[bool, typer.Option("--compromised", help="Withdraw all present keys at once.")] = False,
) -> None:
    """Publish a new signing key; tokens of the old ones stay good until they expire, so nobody is signed out."""
    with sentences():
        house(read_settings()).way_to("auth").change("rotate-keys", *(["--compromised"] if compromised else []))


@app.command()
def trace(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Order one piece as the demo customer and show its whole way; exit code 0 only if all of it was told."""
    with sentences():
        settings = read_settings()
        if not settings.with_demo:
            raise NotNow("There is no demo customer here who could order (STOA_DEMO, STOA_ENV).")
        found = tracing.follow(settings, house(settings).ear, settings.customer_username, settings.customer_password)
        if as_json:
            console.print_json(tracing.as_json(found))
        else:
            Console(width=tracing.WIDE).print(tracing.tree(found))
            console.print(tracing.parts_table(found))
        if found.missing:
            raise NotNow(f"Nothing was told of: {', '.join(' '.join(leg).strip() for leg in found.missing)}.")


@app.command()
def service_keys() -> None:
    """Print new keys for calls between services, as lines for `.env`; for containers, as `stoa up` makes its own."""
    keys = {name: new_service_key() for name in SCHEMAS}
    for name, key in keys.items():
        console.print(f"STOA_{name.upper()}_SERVICE_KEY={key}", highlight=False, soft_wrap=True)
    console.print(f'STOA_SISTER_KEYS="{sister_keys(keys)}"', highlight=False, soft_wrap=True)


@app.command("import")
def import_products(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, NDJSON, JSON or XLSX, by the ending of its name.")],
    mode: Annotated[Mode, typer.Option(help="Which rows are taken: all, of new products, of known ones.")] = "upsert",
    on_error: Annotated[OnError, typer.Option(help="With bad rows: write the others, or nothing at all.")] = "skip",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file.")] = False,
    url: Url = None,
    admin_username: Username = None,
    admin_password: Password = None,
) -> None:
    """Take a file of products in over the gateway; exit code 0 all good, 1 some rows bad, 2 not done."""
    with sentences(2):
        wishes = Wishes(mode, on_error, dry_run)
        code = import_file(console, file, wishes, door(read_settings(), url, admin_username, admin_password))
        raise typer.Exit(code)


@app.command()
def lock() -> None:
    """Resolve the pins again: requirements.txt and requirements-dev.txt, one file per service, and the mailbox's."""
    with sentences(), console.status("resolve …"):
        for name in locking.lock():
            console.print(f"  [green]✓[/green] {name}")


@app.command()
def contracts() -> None:
    """Write the events' schemas and the AsyncAPI document again; refused where that would break who hears them."""
    with sentences():
        for name in publishing.publish():
            console.print(f"  [green]✓[/green] {name}")
