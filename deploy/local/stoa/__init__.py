"""The whole Stoa stack from native servers, and the operator's command line."""
