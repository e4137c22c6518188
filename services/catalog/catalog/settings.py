"""What catalog reads from the environment."""

from pathlib import Path

from pydantic import SecretStr

from common.settings import Settings


class CatalogSettings(Settings):
    """Variables beside the common ones."""

    upload_dir: Path = Path("/var/lib/stoa/uploads")
    """Where uploaded files wait for the worker, and where they lie while they come in or are worked on."""
    upload_store: str = ""
    """Where they wait instead: another folder, or s3://bucket/prefix."""
    upload_s3_endpoint: str = ""
    upload_s3_region: str = ""
    upload_s3_access_key: str = ""
    upload_s3_secret_key: SecretStr = SecretStr("")
    """How to reach that bucket; what is left out is taken from where S3 clients look for it (AWS_REGION …)."""
    orders_timeout_s: float = 2.0
    """How long the sweeper waits for orders' word on one hold (design: reliability 3.7)."""
    sweep_s: float = 5.0
    """Between two looks for expired holds."""
    requeue_s: float = 10.0
    """Between two looks for imports that no worker has been told of."""
