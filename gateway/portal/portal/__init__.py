"""The gateway's own answers: pages, documents, health of the whole and problem pages."""
