"""The refusals' room: what the shop would not do, by its reason."""

import httpx2

from replaying.gateway import problem_code
from replaying.ledger import Ledger


def note_refusal(ledger: Ledger, answer: httpx2.Response) -> None:
    """Count a conflict by its code; anything else is odd and kept word for word."""
    if answer.status_code == httpx2.codes.CONFLICT:
        ledger.refused[problem_code(answer)] += 1
        return
    asked = f"{answer.request.method} {answer.request.url.path}"
    ledger.odd.append(f"{asked}: {answer.status_code} {answer.text[:200]}")
