"""Replays a real shop's order lines through the gateway and checks that every number adds up afterwards."""
