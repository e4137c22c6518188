"""Stoa's auth service."""
