"""Auth's commands for operators: the first administrator, new signing keys, whether all is in order."""

from typing import Annotated

import typer
from pydantic import ValidationError

from auth import registering
from auth.challenges import Challenges
from auth.grants import end_all_sessions
from auth.passwords import Passwords
from auth.schemas import Registration
from auth.settings import AuthSettings
from auth.signing import Signing
from common.checking import PATIENCE_S, STATEMENT_S, code_of
from common.database import new_engine, new_sessions, opened
from common.errors import Problem
from common.resuming import say_again
from common.upkeep import upkeep

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command()
def create_admin(
    username: Annotated[str, typer.Option()],
    email: Annotated[str, typer.Option()],
    password: Annotated[str, typer.Option(envvar="STOA_ADMIN_PASSWORD", prompt=True, hide_input=True)],
) -> None:
    """Open an administrator's account; one that is there already is left as it is, password and all."""
    settings = AuthSettings()
    engine = new_engine(settings.database_url, pool_size=1)
    passwords = Passwords(settings.argon2_time_cost, settings.argon2_memory_kib, settings.argon2_parallelism)
    try:
        form = Registration(username=username, email=email, password=password)
        challenges = Challenges(settings.secret_key)
        created = registering.create_admin(new_sessions(engine), passwords, challenges, form)
    except (Problem, ValidationError) as error:
        raise _refused(error) from None
    finally:
        engine.dispose()
    typer.echo(f"{username} is now an administrator" if created else f"{username} is an administrator already")


@app.command()
def rotate_keys(
    *,
    compromised: Annotated[
        bool, typer.Option(help="Withdraw all present keys at once: their tokens die within a minute.")
    ] = False,
) -> None:
    """Publish a new signing key, which signs from 15 minutes on, when every service knows it; nobody is signed out."""
    settings = AuthSettings()
    engine = new_engine(settings.database_url, pool_size=1)
    try:
        signing = Signing(new_sessions(engine), settings.secret_key, settings.access_ttl_s)
        activates_at = signing.replace() if compromised else signing.rotate()
    except Problem as error:
        raise _refused(error) from None
    finally:
        engine.dispose()
    typer.echo(f"the new key signs from {activates_at:%Y-%m-%d %H:%M:%S} UTC")


@app.command()
def check(
    *, patience: Annotated[float, typer.Option(help="Seconds that what differs has to agree in.")] = PATIENCE_S
) -> None:
    """Look after schema and outbox; a finding a line, exit code 1 if something is wrong, 2 if it could not be asked."""
    settings = AuthSettings()
    with opened(settings.database_url, STATEMENT_S) as (engine, sessions):
        checks = upkeep("auth", engine, sessions, settings.broker_url, patience, says=True, works=False)
        findings = [each.find() for each in checks]
    for finding in findings:
        typer.echo(finding.model_dump_json())
    raise typer.Exit(code_of(findings))


@app.command()
def resume() -> None:
    """Go on with a schema that has come back from a backup, before auth is started: everybody signs in anew.

    What was ended since the backup, a session or a password that somebody else knew, must not come alive again.
    """
    settings = AuthSettings()
    with opened(settings.database_url, STATEMENT_S) as (_, sessions):
        with sessions.begin() as session:
            typer.echo(f"{say_again(session)} events are sent once more")
            typer.echo(f"{end_all_sessions(session)} sessions are over")
        Signing(sessions, settings.secret_key, settings.access_ttl_s).replace()


def _refused(error: Problem | ValidationError) -> typer.Exit:
    """Exit code 1 with what is wrong on standard error; never the password."""
    if isinstance(error, Problem):
        sentences = [error.detail]
    else:
        sentences = [f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors()]
    typer.echo("; ".join(sentences), err=True)
    return typer.Exit(1)


if __name__ == "__main__":
    app()
