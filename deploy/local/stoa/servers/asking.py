"""Short HTTP questions to servers on this machine, where no answer is an answer too."""

import ssl

import httpx

from common.http import new_tls


def ask(url: str, login: tuple[str, str] | None = None, trusted: ssl.SSLContext | bool = True) -> httpx.Response | None:
    """GET the address; None if nobody answers within five seconds."""
    verify = new_tls(url) if trusted is True else trusted
    try:
        return httpx.get(url, auth=login, verify=verify, trust_env=False, timeout=5)
    except httpx.HTTPError:
        return None


def says_yes(url: str, login: tuple[str, str] | None = None, trusted: ssl.SSLContext | bool = True) -> bool:
    """Whether the address answers 200."""
    answer = ask(url, login, trusted)
    return answer is not None and answer.status_code == httpx.codes.OK
