"""What is printed when the stack is up: where things are, who may sign in, and three first calls."""

from collections.abc import Mapping

from rich.console import Console

from stoa.encryption import files
from stoa.seeding import first_product
from stoa.settings import Settings

READ_TOKEN = "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"access_token\"])'"  # noqa: S105 - a shell command


def addresses(settings: Settings) -> dict[str, str]:
    """Each page a person may open."""
    return {
        "Overview": f"{settings.url}/",
        "Live sold counts": f"{settings.url}/live",
        "API": f"{settings.url}/docs",
        "Admin": f"{settings.url}/admin",
        "Mailbox": settings.address_of("mailbox"),
    }


def hidden_pages(settings: Settings) -> dict[str, str]:
    """The pages of servers, on this machine only."""
    return {
        "RabbitMQ": settings.address_of("rabbitmq management"),
        "Traefik": f"{settings.address_of('gateway operations')}/dashboard/",
    }


def accounts(settings: Settings) -> dict[str, str]:
    """Who may sign in with what; passwords that were not ours to choose are not shown."""
    shown = {}
    if settings.with_demo:
        shown["Demo customer"] = f"{settings.customer_username} / {settings.customer_password}"
    if settings.env != "production":
        shown["Administrator"] = f"{settings.admin_username} / {settings.admin_password}"
    return shown


def first_calls(settings: Settings) -> list[str]:
    """Sign in, look around, place an order."""
    json_type = "-H 'Content-Type: application/json'"
    login = f'{{"username": "{settings.customer_username}", "password": "{settings.customer_password}"}}'
    order = f'{{"items": [{{"product_id": {first_product(settings) or 1}, "quantity": 1}}]}}'
    curl = f"curl -s --cacert {files(settings).certificate}" if settings.tls == "on" else "curl -s"
    return [
        f"TOKEN=$({curl} {settings.url}/api/auth/login/ {json_type} -d '{login}' | {READ_TOKEN})",
        f"{curl} '{settings.url}/api/products/?page_size=3'",
        f"{curl} {settings.url}/api/orders/ -H \"Authorization: Bearer $TOKEN\" {json_type} -d '{order}'",
    ]


def welcome(console: Console, settings: Settings, hidden: Mapping[str, str]) -> None:
    """Print all of it, and what of servers is hidden from others than this machine."""
    console.print("\nStoa is up.\n", style="bold green")
    for name, text in (addresses(settings) | accounts(settings) | dict(hidden)).items():
        console.print(f"  [bold]{name:<20}[/bold]", text, highlight=False, soft_wrap=True)
    if settings.with_demo:
        console.print("\nThree first calls:\n", style="bold")
        for call in first_calls(settings):
            console.print(call, markup=False, highlight=False, soft_wrap=True)
    console.print()
