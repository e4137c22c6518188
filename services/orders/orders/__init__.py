"""Stoa's orders service."""
