"""What cart reads from the environment."""

from common.settings import Settings


class CartSettings(Settings):
    """Variables beside the common ones."""

    catalog_timeout_s: float = 0.3
    """How long a request waits for catalog's word on a product not heard of yet (design: reliability 3.7)."""
