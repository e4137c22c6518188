"""Stoa's notifier service."""
