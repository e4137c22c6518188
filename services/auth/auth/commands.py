"""Auth's commands for operators: the first administrator, a new signing key."""

from typing import Annotated

import typer
from pydantic import ValidationError

from auth import usecases
from auth.passwords import Passwords
from auth.schemas import Registration
from auth.settings import AuthSettings
from auth.signing import Signing
from common.database import new_engine, new_sessions
from common.errors import Problem

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
        created = usecases.create_admin(new_sessions(engine), passwords, form)
    except (Problem, ValidationError) as error:
        raise _refused(error) from None
    finally:
        engine.dispose()
    typer.echo(f"{username} is now an administrator" if created else f"{username} is an administrator already")


@app.command()
def rotate_key() -> None:
    """Publish a new signing key; it signs after 15 minutes, when every service knows it."""
    settings = AuthSettings()
    engine = new_engine(settings.database_url, pool_size=1)
    try:
        activates_at = Signing(new_sessions(engine), settings.secret_key, settings.access_ttl_s).rotate()
    except Problem as error:
        raise _refused(error) from None
    finally:
        engine.dispose()
    typer.echo(f"the new key signs from {activates_at:%Y-%m-%d %H:%M:%S} UTC")


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
