"""Stoa's realtime service."""
