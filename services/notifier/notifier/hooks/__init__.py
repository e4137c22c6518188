"""What integrators are told by webhook: whom, of what, and each delivery on its way."""
