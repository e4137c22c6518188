"""A package, so that the six services that these tests start end with them and do not go on beside those of others."""
