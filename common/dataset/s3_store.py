"""A dataset in an S3-compatible object store: ``s3://bucket/prefix``, exclusive creation by ``If-None-Match``.

Credentials, region and endpoint come from the usual environment variables (``AWS_ACCESS_KEY_ID``,
``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``); a machine's role serves where
there are none. Every request has a time limit and every verb is tried again, with growing pauses, for a bounded time;
then it fails and says for how long, how often and with what last answer.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import obstore
from obstore import exceptions
from obstore.store import S3Store as Client

from common.dataset.local_store import attempt_name
from common.dataset.verbs import Entry
from common.errors import DataError, UsageError

T = TypeVar("T")

PATIENCE = "OMNIRL_STORE_PATIENCE"
"""Environment variable: seconds for which a verb is tried again before it fails; 120 unless set."""
TIMEOUT = "OMNIRL_STORE_TIMEOUT"
"""Environment variable: seconds after which one request counts as unanswered; 30 unless set."""
HASTY = 10.0
"""Most seconds a verb is tried that can wait for the next time: the first request, and status."""
_PAUSES = (0.1, 3.0)
"""Seconds of the first and the longest pause between two tries."""
_REFUSED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
_HOPELESS = ("NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidBucketName", "AccessDenied")
"""Answers that trying again does not change, whatever kind of error carries them."""
_NO_ROLE = ("169.254.169.254", "169.254.170.2", "Missing AccessKeyId")
"""Where a machine's role would be asked for: in an error it means that there are no credentials at all."""
_CONNECT = 5.0


def environment() -> dict[str, str]:
    """Return what a process on another machine must know, beside the URL, to reach the same store."""
    return {k: v for k, v in os.environ.items() if k.startswith("AWS_") or k in (PATIENCE, TIMEOUT)}


class S3Store:
    """A prefix of a bucket."""

    def __init__(self, url: str) -> None:
        """Connect, and list the prefix once to see that the bucket exists and lets us in.

        Raises:
            UsageError: It does not; or the URL or a setting is none.
            DataError: Nobody answers.
        """
        self.bucket, self.prefix = split(url)
        self.url = f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")
        self.attempt = attempt_name()
        self._patience = _seconds(PATIENCE, 120.0)
        self._client = client(self.bucket, self.prefix, retries=0)
        self._try("look into it", lambda: obstore.list_with_delimiter(self._client, None), HASTY, opening=True)

    def get(self, key: str) -> bytes:
        """Return an object's bytes; ``FileNotFoundError`` where there is none."""
        return self._try(f"read {key}", lambda: obstore.get(self._client, key).bytes().to_bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start`` on, fewer at the end; ``FileNotFoundError`` where there is none."""
        return self._try(f"read {key}", lambda: self._range(key, start, length))

    def _range(self, key: str, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        try:
            data = obstore.get_range(self._client, key, start=start, length=length).to_bytes()
        except exceptions.BaseError as error:
            if "416" not in str(error) and "range" not in str(error).lower():
                raise
            size = int(obstore.head(self._client, key)["size"])  # asked for more than there is
            if start >= size:
                return b""
            data = obstore.get_range(self._client, key, start=start, length=min(length, size - start)).to_bytes()
        return data

    def put_new(self, key: str, data: bytes) -> bool:
        """Create an object, durable on return; return False, with nothing written, where the key exists.

        A request whose answer was lost may have been carried out: what a later try finds is ours where it is equal.

        Raises:
            DataError: The store refused, or did not answer in time.
        """
        tries = 0

        def create() -> bool:
            nonlocal tries
            tries += 1
            try:
                obstore.put(self._client, key, data, mode="create", use_multipart=False)
            except (exceptions.AlreadyExistsError, FileExistsError):
                return tries > 1 and obstore.get(self._client, key).bytes().to_bytes() == data
            return True

        return self._try(f"write {key} ({len(data)} bytes)", create)

    def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Create or replace an object at once: for status, and (durable) for repair; data are never replaced else."""
        self._try(
            f"write {key} ({len(data)} bytes)",
            lambda: obstore.put(self._client, key, data, use_multipart=False),
            None if durable else HASTY,
        )

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        try:
            self._try(f"remove {key}", lambda: obstore.delete(self._client, key))
        except FileNotFoundError:
            return

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes, or None where there is none."""
        try:
            return self._try(f"look at {key}", lambda: int(obstore.head(self._client, key)["size"]))
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        return self.size(key) is not None

    def list(self, folder: str) -> list[str]:
        """Return the names of what lies directly in ``folder``, sorted; empty where it does not exist."""
        found: Any = self._try(
            f"list {folder or 'it'}", lambda: obstore.list_with_delimiter(self._client, folder or None)
        )
        paths = [*found["common_prefixes"], *(item["path"] for item in found["objects"])]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def walk(self, folder: str) -> Iterator[Entry]:
        """Yield every object below ``folder``, in no order; none where it does not exist."""
        found: Any = self._try(f"list {folder or 'it'}", lambda: obstore.list(self._client, folder or None).collect())
        for item in found:
            yield Entry(item["path"], int(item["size"]), item["last_modified"].timestamp())

    def free_bytes(self) -> int | None:
        """Return None: nobody knows."""
        return None

    def sweep(self) -> int:
        """Return 0: nothing is staged, an object exists whole or not at all."""
        return 0

    def close(self) -> None:
        """Do nothing: nothing is staged."""

    def _try(self, what: str, act: Callable[[], T], patience: float | None = None, *, opening: bool = False) -> T:
        """Return what ``act`` returns, trying again while the store does not answer or answers with its own faults."""
        limit = self._patience if patience is None else min(patience, self._patience)
        begun, tries, pause = time.monotonic(), 0, _PAUSES[0]
        while True:
            tries += 1
            try:
                return act()
            except FileNotFoundError as error:
                if "NoSuchBucket" not in str(error):
                    raise FileNotFoundError(f"{self.url} has no such object: {what}") from error
                raise self._hopeless(what, error, opening) from error
            except (exceptions.BaseError, OSError) as error:
                if opening and any(sign in str(error) for sign in _NO_ROLE):
                    raise _no_credentials([]) from error
                if isinstance(error, _REFUSED) or any(code in str(error) for code in _HOPELESS):
                    raise self._hopeless(what, error, opening) from error
                spent = time.monotonic() - begun
                if spent + pause > limit:
                    raise DataError(
                        f"{self.url} does not work: could not {what} in {spent:.0f} s and {tries} tries "
                        f"({PATIENCE} and {TIMEOUT} set the limits); the last answer: {_short(error)}; "
                        "mend that and give the same command again, what is committed stays"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, _PAUSES[1])

    def _hopeless(self, what: str, error: Exception, opening: bool) -> Exception:
        """Return the error of a request that would be refused again: a wrong request at first, a broken store later."""
        if "NoSuchBucket" in str(error):
            text = f"{self.url} lies in no bucket: there is none named {self.bucket!r}{_where()}; make it first"
        elif isinstance(error, _REFUSED) or "InvalidBucketName" not in str(error):
            text = (
                f"{self.url} refuses these credentials{_where()}, could not {what}: {_short(error)}; "
                "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION to some that may read and write there"
            )
        else:
            text = f"{self.bucket!r} is no bucket's name: {_short(error)}"
        return UsageError(text) if opening else DataError(text)


def split(url: str) -> tuple[str, str]:
    """Return bucket and prefix of ``s3://bucket/prefix``.

    Raises:
        UsageError: It is no such URL.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    parts = [part for part in prefix.split("/") if part]
    if scheme != "s3" or not bucket or not parts or ".." in parts or "." in parts:
        raise UsageError(f"an object store's URL is s3://bucket/path, with a path inside the bucket, got {url!r}")
    return bucket, "/".join(parts)


def client(bucket: str, prefix: str, *, retries: int) -> Client:
    """Return a client of a prefix in a bucket, set up from the environment.

    Raises:
        UsageError: The environment names an endpoint of one's own and no credentials, or a setting is none.
    """
    variables = os.environ
    endpoint = (
        variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL") or variables.get("AWS_ENDPOINT")
    )
    _check_credentials(variables, endpoint)
    settings: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    if not variables.get("AWS_REGION") and not variables.get("AWS_DEFAULT_REGION"):
        settings["region"] = "us-east-1"
    timeout = _seconds(TIMEOUT, 30.0)
    options: dict[str, Any] = {
        "timeout": timedelta(seconds=timeout),
        "connect_timeout": timedelta(seconds=min(timeout, _CONNECT)),
    }
    if (endpoint or "").startswith("http://"):
        options["allow_http"] = True
    patience = _seconds(PATIENCE, 120.0) if retries else 0.0
    retry: Any = {"max_retries": retries, "retry_timeout": timedelta(seconds=patience)}
    try:
        return Client(bucket, prefix=prefix, config=settings, client_options=options, retry_config=retry)  # type: ignore[arg-type]
    except exceptions.BaseError as error:
        raise UsageError(f"s3://{bucket}/{prefix} cannot be opened with these settings: {_short(error)}") from error


def zarr_store(url: str) -> Any:
    """Return a read-only Zarr store over a URL; reads are tried again by the client itself, for a bounded time."""
    from zarr.storage import ObjectStore

    return ObjectStore(client(*split(url), retries=10), read_only=True)


def _check_credentials(variables: Mapping[str, str], endpoint: str | None) -> None:
    given = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if variables.get(name)]
    others = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_SKIP_SIGNATURE")
    if len(given) == 1 or (not given and endpoint and not any(variables.get(name) for name in others)):
        raise _no_credentials(given)


def _no_credentials(given: Sequence[str]) -> UsageError:
    return UsageError(
        "an object store needs credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
        f"(set: {', '.join(given) or 'neither'}{_where()}), and AWS_ENDPOINT_URL where it is not Amazon's"
    )


def _where() -> str:
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT")
    return f" at {endpoint}" if endpoint else ""


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1e6:
        raise UsageError(f"{name} is a number of seconds over 0, got {text!r}")
    return value


def _short(error: Exception) -> str:
    """Return an error's text without the client's dump of itself, on one line."""
    text = str(error).partition("\n\nDebug source:")[0]
    return " ".join(text.split())[:300]
