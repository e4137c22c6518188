"""The portal's settings: where the services are, whose health it tells."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Variables are named `STOA_` + field, as everywhere."""

    model_config = SettingsConfigDict(env_prefix="STOA_", extra="ignore", frozen=True)

    auth_url: str = "http://auth:8000"
    catalog_url: str = "http://catalog:8000"
    cart_url: str = "http://cart:8000"
    orders_url: str = "http://orders:8000"
    notifier_url: str = "http://notifier:8000"
    realtime_url: str = "http://realtime:8000"

    def services(self) -> dict[str, str]:
        """Each service's name with its base URL, or with those of its replicas and commas between them."""
        return {name.removesuffix("_url"): url for name, url in self.model_dump().items()}
