"""What notifier reads from the environment."""

from common.settings import Settings


class NotifierSettings(Settings):
    """Variables beside the common ones."""

    smtp_url: str = "smtp://127.0.0.1:1025"
    """`smtp://` or `smtps://`, with `user:password@` to sign in; over `smtp://` that demands STARTTLS."""
    mail_from: str = "Stoa <shop@stoa.example>"
