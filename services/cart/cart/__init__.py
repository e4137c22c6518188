"""Stoa's cart service."""
