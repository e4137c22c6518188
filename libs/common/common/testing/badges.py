"""The badge bench: keys for services as the tests know them, and calls as a sister would make them."""

from dataclasses import dataclass, field

from common.service_tokens import Badge, new_service_key, public_half


@dataclass
class Badges:
    """Makes a key for each service that is named, and knows the public halves of all."""

    keys: dict[str, str] = field(default_factory=dict)

    def key(self, service: str) -> str:
        """This service's `STOA_SERVICE_KEY`."""
        return self.keys.setdefault(service, new_service_key())

    def public(self, *services: str) -> str:
        """`STOA_SISTER_KEYS` for these services."""
        return " ".join(f"{service}={public_half(self.key(service))}" for service in services)

    def badge(self, service: str) -> Badge:
        """What this service shows its sisters."""
        return Badge(service, self.key(service))

    def headers(self, service: str, to: str) -> dict[str, str]:
        """The Authorization header of a call from one service to another."""
        return self.badge(service).headers(to)
