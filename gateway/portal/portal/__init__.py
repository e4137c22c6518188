"""The gateway's own answers: health of the whole and problem pages."""
