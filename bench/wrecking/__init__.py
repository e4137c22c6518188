"""Breaks a stack in every way that is known, under load, and checks that its numbers add up all the same."""
