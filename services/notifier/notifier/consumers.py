"""The event door of notifier: whatever is heard becomes a queued mail."""

from notifier.queueing import queue_mails

hear = queue_mails
"""Takes a whole batch: addresses are looked up once and mails are queued in one statement."""
