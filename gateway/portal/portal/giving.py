"""The portal's giving: bytes that are made once and asked for often, with a tag, and 304 while they are the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from common.preconditions import is_known

JSON, HTML = "application/json", "text/html"


@dataclass(frozen=True)
class Made:
    """What is given out as it is."""

    content: bytes
    media_type: str = JSON

    @cached_property
    def etag(self) -> str:
        """Follows from the bytes alone: each process, and each start, gives the same one."""
        return f'"{sha256(self.content).hexdigest()}"'

    def give(self, request: Request, headers: Mapping[str, str]) -> Response:
        """The bytes, or that the asker has them already."""
        headers = {**headers, "ETag": self.etag}
        if is_known(self.etag, request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)
