"""The commands by which an operator looks after a shop: is all in order, what died, copies, backups."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from common.checking import PATIENCE_S, Finding, code_of
from stoa.backups import back_up
from stoa.credentials import read_credentials
from stoa.doctor import examine, findings_table, through
from stoa.faring import exit_code, fares_table, how_all_fare, letters_of, letters_table
from stoa.importing import Door, door
from stoa.letters import Desk, verb_of
from stoa.operating import Rebuildable, Way
from stoa.restoring import restore as bring_back
from stoa.servers import SCHEMAS
from stoa.settings import read_settings
from stoa.stack import Stack
from stoa.terminal import Password, Url, Username, console, house, native_house, sentences, step

app = typer.Typer()

BY_HAND = "docs/operations-backups.md says how their database is copied."


@app.command()
def reconcile() -> None:
    """Compare every counter of the catalogue with what it counts; the exit code is 0 only if all add up."""
    with sentences():
        raise typer.Exit(house(read_settings()).way_to("catalog").at_terminal("reconcile"))


@app.command()
def doctor(
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds in which what differs has to agree; numbers move while one looks.")
    ] = PATIENCE_S,
    elsewhere: Annotated[
        str,
        typer.Option("--through", help="The way to services elsewhere, such as 'docker compose exec -T {service}'."),
    ] = "",
    url: Url = None,
) -> None:
    """Hold all services against each other while they run; exit code 0 all well, 1 something wrong, 2 not all asked."""
    with sentences(2):
        settings = read_settings()
        found: list[Finding] = []
        with console.status("compare …"):
            found.extend(examine(_way(elsewhere), door(settings, url, None, None), patience))
        console.print(findings_table(found))
        raise typer.Exit(code_of(found))


def _way(words: str) -> Callable[[str], Way]:
    """How each service's own command is run: here, or where these words lead."""
    return partial(through, words) if words else house(read_settings()).way_to


@app.command()
def outbox(url: Url = None, admin_username: Username = None, admin_password: Password = None) -> None:
    """Show what waits and what died in each service; exit code 0 nothing to do, 1 something, 2 not all were asked."""
    with sentences(2):
        lines = how_all_fare(door(read_settings(), url, admin_username, admin_password))
        console.print(fares_table(lines))
        raise typer.Exit(exit_code(lines, well=all(line.well for line in lines)))


@app.command("dead-letters")
def dead_letters(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[list] [SERVICE…] | show ID | replay ID… | drop ID…", help="Lists all if left out."),
    ] = None,
    service: Annotated[str, typer.Option(help="Whose letters; each that has them if left out.")] = "",
    *,
    everything: Annotated[bool, typer.Option("--all", help="With replay: whatever there is.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With drop: do not ask back.")] = False,
    url: Url = None,
    admin_username: Username = None,
    admin_password: Password = None,
) -> None:
    """Events that services could not handle: list them, show one, let them be heard again, or drop them.

    Exit code 0: none are left, or all named were found; 1: some are left, or were not found; 2: not all were asked.
    """
    with sentences(2):
        gateway = door(read_settings(), url, admin_username, admin_password)
        verb, named = verb_of(words or [], everything=everything)
        if verb == "list":
            raise typer.Exit(_list(gateway, [*named, *([service] if service else [])]))
        if verb == "drop" and not yes:
            typer.confirm(f"Drop {len(named)} for good?", abort=True)
        with Desk.opened(gateway, service) as desk:
            raise typer.Exit({"show": desk.show, "replay": desk.replay, "drop": desk.drop}[verb](named, console.print))


def _list(gateway: Door, services: Sequence[str]) -> int:
    lines = letters_of(gateway, services or SCHEMAS)
    code = exit_code(lines, well=not any(line.told["count"] for line in lines if line.told))
    console.print(letters_table(lines) if code else "There are no dead letters.")
    return code


@app.command()
def rebuild(
    service: Annotated[Rebuildable, typer.Argument(help="Whose copy of others' data.")],
) -> None:
    """Build a service's copy anew while everything runs: cart's of the catalogue, realtime's counts of all orders."""
    with sentences():
        house(read_settings()).way_to(service).change("rebuild")


@app.command()
def backup(folder: Annotated[Path, typer.Argument(help="Where it goes; a folder that is not there yet.")]) -> None:
    """Copy all schemas as they are at one moment, while everything runs."""
    with sentences():
        at = native_house(read_settings(), BY_HAND)
        with at.alone(), step("copy six schemas"):
            made = back_up(Stack(at.settings, read_credentials(at.settings)), folder)
        console.print(f"{folder}: {decimal(made.bytes)}, as of {made.taken_at:%F %T} UTC.", markup=False)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A backup.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask back.")] = False,
) -> None:
    """Bring a backup back: stops the services, loses whatever is newer, signs everybody out, starts all again."""
    with sentences():
        at = native_house(read_settings(), BY_HAND)
        if not yes:
            typer.confirm("All that the shop has heard since this backup will be lost. Go on?", abort=True)
        brought = bring_back(at, folder, step)
        console.print(f"The shop is as it was at {brought.taken_at:%F %T} UTC; `stoa doctor` compares all of it.")
