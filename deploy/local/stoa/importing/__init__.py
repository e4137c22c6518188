"""Takes a file of products in over the gateway, as an administrator would, whatever its size."""

from stoa.importing.jobs import Left
from stoa.importing.story import Door, Mode, OnError, Wishes, door, import_file

__all__ = ["Door", "Left", "Mode", "OnError", "Wishes", "door", "import_file"]
