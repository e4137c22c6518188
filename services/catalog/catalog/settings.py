"""What catalog reads from the environment."""

from pathlib import Path

from common.settings import Settings


class CatalogSettings(Settings):
    """Variables beside the common ones."""

    upload_dir: Path = Path("/var/lib/stoa/uploads")
    """Where uploaded files wait for the worker; the web processes and the worker share it."""
    orders_timeout_s: float = 2.0
    """How long the sweeper waits for orders' word on one hold (design: reliability 3.7)."""
    sweep_s: float = 5.0
    """Between two looks for expired holds."""
    requeue_s: float = 10.0
    """Between two looks for imports that no worker has been told of."""
