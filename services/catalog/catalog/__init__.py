"""Stoa's catalog service."""
