"""What a filter matches at NOW, with tags that a monitor could have found."""

from __future__ import annotations

from pgtop_conn.model.filters.language import Tags, parse
from pgtop_conn.model.snapshot import Backend
from tests.support.data.factories import NOW, make_backend

DURATION_KEYS = ("idle", "unused", "age", "xact", "query_age", "state_age")
TAGS = Tags(
    source=lambda backend: {16_384: "aws", 16_385: "supabase"}.get(backend.role_oid, ""),
    leak={make_backend().key: "58 idle for more than 20 min"},
)


def matches(text: str, backend: Backend, tags: Tags = TAGS) -> bool:
    """Whether a filter of this text matches the session."""
    return parse(text).matches(backend, NOW, tags)
