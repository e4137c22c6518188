"""Why a replay cannot go on."""


class Stop(Exception):
    """The replay ends here; the text is one clear sentence for whoever started it."""
