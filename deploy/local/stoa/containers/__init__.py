"""The same stack in containers, where Docker's engine answers."""

from stoa.containers.choosing import in_containers
from stoa.containers.fleet import Fleet

__all__ = ["Fleet", "in_containers"]
