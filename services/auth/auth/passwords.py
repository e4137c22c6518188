"""The passwords' room: which ones may be chosen, how they are kept (argon2id), and how many are hashed at once."""

import asyncio
import contextvars
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from common.errors import Invalid, Unavailable

SHORTEST, LONGEST = 8, 128
"""Characters of a password (ASVS 5.0, 6.2.1 and 6.2.9); more are refused before any work is done for them."""

P = ParamSpec("P")
T = TypeVar("T")


class Passwords:
    """Hashes passwords with argon2id and tells whether one matches its hash."""

    def __init__(self, time_cost: int, memory_kib: int, parallelism: int) -> None:
        self._hasher = PasswordHasher(time_cost, memory_kib, parallelism, type=Type.ID)
        self._decoy = self.hash(secrets.token_urlsafe(16))

    def hash(self, password: str) -> str:
        """The hash with its salt and parameters in it."""
        return self._hasher.hash(password)

    def matches(self, password: str, kept: str | None) -> bool:
        """Whether the password is the one; without a hash the same work is done, and it is not."""
        try:
            self._hasher.verify(kept or self._decoy, password)
        except (Argon2Error, InvalidHashError):
            return False
        return kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)


def check_choice(password: str, own_words: Iterable[str], field: str = "password") -> None:
    """Raise Invalid for a password that others would try first; its length is the schema's affair."""
    word = password.casefold()
    if word in common_ones():
        raise _refusal(field, "this password is on every list of common ones; choose another")
    if word in {own.casefold() for own in own_words if own}:
        raise _refusal(field, "choose a password that is not your own name or address")


def _refusal(field: str, sentence: str) -> Invalid:
    return Invalid(f"{field}: {sentence}", code="weak_password", errors={field: [sentence]})


@cache
def common_ones() -> frozenset[str]:
    """What is tried first, in lower case: passwords that have leaked often, plain words and names.

    Only those that are long enough to be chosen, some 41,000; ASVS 5.0, 6.2.4 asks for the 3,000 commonest passwords.
    """
    return frozenset(word for words in FREQUENCY_LISTS.values() for word in words if len(word) >= SHORTEST)


class HashingPool:
    """Few threads for whatever hashes a password: a crowd at the door waits here, not in everybody's threads."""

    def __init__(self, threads: int, queue: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        self._most = threads + queue
        self._inside = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns, run in one of the threads. Raises Unavailable at once when too many wait."""
        if self._inside >= self._most:
            raise Unavailable("too many people are signing in at this moment; try again shortly", code="overloaded")
        self._inside += 1
        try:
            context = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, partial(context.run, partial(work, *args, **kwargs))
            )
        finally:
            self._inside -= 1

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)
