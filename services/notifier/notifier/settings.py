"""What notifier reads from the environment."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from common.settings import Settings
from notifier.hooks.guard import Policy


class NotifierSettings(Settings):
    """Variables beside the common ones."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    smtp_url: str = "smtp://127.0.0.1:1025"
    """`smtp://` or `smtps://`, with `user:password@` to sign in; over `smtp://` that demands STARTTLS."""
    mail_from: str = "Stoa <shop@stoa.example>"
    webhook_key: str = Field(min_length=32, repr=False)
    """Seals the secrets of webhooks in the database; web process and worker share it."""
    webhook_allow_private: bool = False
    """Webhooks may go to this machine and its network, to any port; for tests and demonstrations."""

    @model_validator(mode="after")
    def _refuse_private_addresses(self) -> Self:
        if self.env == "production" and self.webhook_allow_private:
            raise ValueError("STOA_WEBHOOK_ALLOW_PRIVATE opens the network inside; production refuses it")
        return self

    @property
    def webhook_policy(self) -> Policy:
        """Where webhooks may go. Production speaks https only."""
        return Policy(allow_clear=self.env != "production", allow_private=self.webhook_allow_private)
