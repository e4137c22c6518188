"""A browser for the tests: the system's Chromium without a window, and what it must never see on our pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from .site import PATIENCE_S, Site

NAMES = ("chromium", "chromium-headless-shell", "google-chrome-stable", "google-chrome")
OWN_SCHEMES = ("blob", "data")
TOLERATED = ("Failed to load resource: ", "WebSocket connection to ")
"""What Chromium writes into the console where an answer is none or a refusal, and no page can prevent it."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The installed Chromium. While it is open no other event loop can run in this thread."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "Chromium is not installed; `make test` and `make e2e` install it"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@dataclass
class Reader:
    """Opens pages of the site, and remembers what went wrong on them."""

    browser: Browser
    site: Site
    wrong: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def open(self, path: str, **kind: Any) -> Page:
        """A page in a context of its own; `kind` says what sort of screen it is on. A path may be a whole address."""
        context = self.browser.new_context(base_url=self.site.url, **kind)
        context.set_default_timeout(PATIENCE_S * 1000)
        page = context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", self._hear)
        page.on("request", lambda request: self.hosts.add(_host(request.url)))
        page.on("websocket", lambda socket: self.hosts.add(_host(socket.url)))
        page.goto(path)
        return page

    def close(self) -> None:
        """Close all, and see that nothing came from elsewhere and nothing was refused by the policy or broke."""
        for context in self.browser.contexts:
            context.close()
        assert self.wrong == []
        assert self.hosts <= {"127.0.0.1", ""}

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(TOLERATED):
            self.wrong.append(message.text)


def _host(url: str) -> str:
    parts = urlsplit(url)
    return "" if parts.scheme in OWN_SCHEMES else str(parts.hostname)
