"""Where the stack of these tests runs: in containers where Docker answers, else as processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from common.testing.servers import docker_answers
from stoa.containers import engine

from .containers import own_containers
from .processes import own_processes
from .site import Site


@contextmanager
def own_stack() -> Iterator[Site]:
    """A stack of these tests' own; in containers with STOA_REPLICAS of each service."""
    if docker_answers() and engine.answers():
        chosen = own_containers(os.environ.get("STOA_REPLICAS", ""))
    else:
        chosen = own_processes()
    with chosen as site:
        yield site
