"""The outcome's room: what became of a try to deliver."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """The answer's status, its first words, or why there is none. `wish_s` is how long the endpoint asked to be left
    alone.
    """

    status_code: int | None = None
    duration_ms: int = 0
    answer: str = ""
    error: str = ""
    wish_s: int = 0

    @property
    def summary(self) -> str:
        """The status, or why there is none."""
        return self.error or f"status {self.status_code}"

    @property
    def succeeded(self) -> bool:
        """Whether the endpoint has taken it: any 2xx."""
        return self.status_code is not None and 200 <= self.status_code < 300
