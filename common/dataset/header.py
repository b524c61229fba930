"""What a dataset says of itself: the attributes of its ``zarr.json``."""

import functools
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from common.config import digest, parse
from common.dataset.layout import Layout
from common.dataset.schema import FORMAT_VERSION, Tag
from common.errors import DataError, UsageError

if TYPE_CHECKING:
    from common.synthesis.recipe import Recipe

FORMAT = "omnirl-dataset"
_PACKAGES = ("numpy", "numba", "zarr", "zarrs", "pyarrow")
_COUNTS = ("sequences", "sequences_per_shard")
_ROOT = Path(__file__).resolve().parents[2]


class Header(Layout):
    """A dataset's attributes: its layout, its recipe, its identity and where it comes from."""

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    recipe: dict[str, Any]
    """The resolved recipe."""
    identity: str
    """Digest over families, mixture, length, vocabularies, seed and versions."""
    label: str
    """``oracle`` or ``action``: which target the recipe means its rows to be trained on."""
    tags: dict[str, int] = Field(default_factory=lambda: {tag.name.lower(): int(tag) for tag in Tag})
    origin: Literal["generated", "imported"] = "generated"
    """``imported``: made elsewhere; ``recipe`` then says from what and by which rules, and nothing can be replayed."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Version and commit of this software, package versions, when it was first made. No part of the identity."""


CHECKSUM = "checksum"
"""Attribute: the digest of all others."""


def attributes_of(header: Header) -> dict[str, Any]:
    """Return a header as the attributes of its group, their checksum among them."""
    values = header.model_dump(mode="json")
    return {**values, CHECKSUM: digest(values)}


def read(attributes: Mapping[str, Any], where: str) -> Header:
    """Return the header in a group's attributes.

    Raises:
        UsageError: They are no dataset's, or of another format version; the message names it.
        DataError: They are not what was written.
    """
    if attributes.get("format") != FORMAT:
        raise UsageError(f"{where} holds a Zarr group that is no dataset of this kind: attribute 'format' is missing")
    version = attributes.get("format_version")
    if version != FORMAT_VERSION:
        made = attributes.get("provenance")
        by = made.get("version") if isinstance(made, dict) else None
        raise UsageError(
            f"{where} has dataset format version {version!r}, this software reads version {FORMAT_VERSION}; "
            f"use the release that wrote it{f' (omnirl {by})' if by else ''}, or make the dataset again"
        )
    values = {name: value for name, value in attributes.items() if name != CHECKSUM}
    if CHECKSUM in attributes and digest(values) != attributes[CHECKSUM]:
        raise DataError(
            f"zarr.json of {where} is damaged: its attributes have another checksum than was written with them; "
            "put the file back from a copy"
        )
    return parse(Header, values, f"the zarr.json of {where}")


def header_of(recipe: "Recipe") -> Header:
    """Return the header of a recipe's dataset."""
    from common.synthesis.recipe import identity_digest  # synthesis imports this package's schema

    return Header(
        sequences=recipe.n_sequences,
        length=recipe.length,
        sequences_per_shard=recipe.sequences_per_shard,
        vocabulary=recipe.vocabulary,
        actions=recipe.actions,
        recipe=recipe.model_dump(mode="json"),
        identity=identity_digest(recipe),
        label=recipe.label,
        observation_tokens=recipe.observation_tokens,
        hidden_state=recipe.hides_state,
        provenance=provenance(),
    )


def differences(ours: Header, theirs: Header) -> list[str]:
    """Say, a line each, in what two datasets differ; empty where they are the same dataset with the same shards."""
    if ours.identity == theirs.identity:
        unequal = [n for n in _COUNTS if getattr(ours, n) != getattr(theirs, n)]
        lines = [f"{n}: {getattr(theirs, n)} there, {getattr(ours, n)} asked for" for n in unequal]
        if unequal == ["sequences"] and ours.sequences > theirs.sequences:
            lines.append("`python -m datagen extend` adds shards to a dataset")
        return lines
    lines = [
        f"{path}: {there!r} there, {here!r} asked for"
        for path, here, there in _unequal(ours.recipe, theirs.recipe)
        if path not in _COUNTS
    ]
    return lines or ["it was made by other versions of the world families or behaviours"]


def _unequal(ours: Any, theirs: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    found: list[tuple[str, Any, Any]] = []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            found += _unequal(ours.get(key), theirs.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (here, there) in enumerate(zip(ours, theirs, strict=True)):
            found += _unequal(here, there, f"{path}.{index}")
    elif ours != theirs:
        found.append((path, ours, theirs))
    return found


def provenance() -> dict[str, Any]:
    """Return what made a product: version, commit (None outside a checkout), packages, Python, time.

    What is not installed has no version: a checkout without an installation, Zarr where data are generated on the fly.
    """
    return {
        "version": _version("omnirl"),
        "commit": _commit(),
        "packages": {package: _version(package) for package in _PACKAGES},
        "python": platform.python_version(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _commit() -> str | None:
    """Return the checkout's commit, with ``+`` where tracked files were changed since."""
    if not (_ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
