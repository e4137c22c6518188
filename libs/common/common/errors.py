"""The errors' room: each refusal is a class that knows its HTTP status (RFC 9457 names)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar


class Problem(Exception):
    """An answer that is not a success: a sentence for people, a `code` for programs.

    `errors` lists complaints by field; `extra` are further members of the body; `headers` go with the answer.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problem_code = code or self.code
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = extra

    def body(self, request_id: str = "") -> dict[str, Any]:
        """The problem+json members of this refusal."""
        return problem_body(self.status, self.problem_code, self.detail, request_id, errors=self.errors, **self.extra)


def problem_body(
    status: int,
    code: str,
    detail: str,
    request_id: str = "",
    *,
    errors: Mapping[str, Sequence[str]] | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """Members of `application/problem+json` (RFC 9457, section 3) with Stoa's `code` and `request_id`."""
    body: dict[str, Any] = {
        "type": f"urn:stoa:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    if errors is not None:
        body["errors"] = errors
    return body | extra


class Invalid(Problem):
    status = 400
    code = "invalid"


class Unauthorized(Problem):
    status = 401
    code = "not_authenticated"

    def __init__(self, detail: str, **more: Any) -> None:
        super().__init__(detail, **more)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(Problem):
    status = 403
    code = "forbidden"


class NotFound(Problem):
    status = 404
    code = "not_found"


class NotAcceptable(Problem):
    status = 406
    code = "not_acceptable"


class Conflict(Problem):
    status = 409
    code = "conflict"


class PreconditionFailed(Problem):
    status = 412
    code = "precondition_failed"


class TooLarge(Problem):
    status = 413
    code = "too_large"


class UnsupportedType(Problem):
    status = 415
    code = "unsupported_media_type"


class KeyReused(Problem):
    status = 422
    code = "idempotency_key_reused"


class TooMany(Problem):
    status = 429
    code = "too_many_requests"

    def __init__(self, detail: str, *, retry_after_s: int, **more: Any) -> None:
        super().__init__(detail, **more)
        self.headers["Retry-After"] = str(retry_after_s)


class Unavailable(Problem):
    """Something this service needs does not answer; the same request may be sent again."""

    status = 503
    code = "unavailable"

    def __init__(self, detail: str, *, retry_after_s: int = 2, **more: Any) -> None:
        super().__init__(detail, **more)
        self.headers["Retry-After"] = str(retry_after_s)
