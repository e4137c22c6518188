"""Short HTTP questions to servers on this machine, where no answer is an answer too."""

import httpx


def ask(url: str, login: tuple[str, str] | None = None) -> httpx.Response | None:
    """GET the address; None if nobody answers within five seconds."""
    try:
        return httpx.get(url, auth=login, trust_env=False, timeout=5)
    except httpx.HTTPError:
        return None


def says_yes(url: str, login: tuple[str, str] | None = None) -> bool:
    """Whether the address answers 200."""
    answer = ask(url, login)
    return answer is not None and answer.status_code == httpx.codes.OK
