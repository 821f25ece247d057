"""Labels: the user's before the provider's, cheap, and one line for what does not parse."""

from __future__ import annotations

import pytest

from pgtop_conn.model.errors import BadInput, FilterError
from pgtop_conn.model.filters.language import NO_TAGS, parse
from pgtop_conn.model.labels.labels import labeller, labels_of, tags_of
from pgtop_conn.model.labels.providers import PROVIDERS, Provider
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.snapshot import Backend
from pgtop_conn.view.table.groups import GROUPINGS, group
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_background,
    make_hidden,
    make_server,
    make_snapshot,
    make_walsender,
)

OWN = labels_of({"Billing": "app:billing*", "BI": "client:10.9.0.0/16,local role:app", "Shop": "db:shop !app:web"})


@pytest.mark.parametrize(
    ("role", "label"),
    [
        ("authenticator", "PostgREST"),
        ("anon", "PostgREST"),
        ("service_role", "PostgREST"),
        ("supabase_auth_admin", "Auth"),
        ("supabase_storage_admin", "Storage"),
        ("supabase_realtime_admin", "Realtime"),
        ("supabase_admin", "Reserved"),
        ("supabase_replication_admin", "Reserved"),
        ("pgbouncer", "Reserved"),
        ("postgres", "Postgres"),
        ("worker", "Other"),
    ],
)
def test_supabase(role: str, label: str) -> None:
    assert labeller("Supabase", ())(make_backend(role=role)) == label


@pytest.mark.parametrize("one", PROVIDERS, ids=lambda one: one.name)
def test_every_provider_labels_its_own_roles_and_the_rest(one: Provider) -> None:
    source = labeller(one.name, ())
    assert source(make_backend(role="shop_web")) == (one.rest if one.labels else "")
    for role in (*one.internal, *one.replication):
        assert source(make_backend(role=role)) not in ("", one.rest)


@pytest.mark.parametrize(
    ("backend", "label"),
    [
        (make_backend(app="billing-worker"), "Billing"),
        (make_backend(app="web", client="10.9.3.4"), "BI"),
        (make_backend(app="cron", client="local", database="x"), "BI"),
        (make_backend(app="cron"), "Shop"),
        (make_backend(app="web"), "Other"),
        (make_backend(app="web", role="anon"), "PostgREST"),
        (make_hidden(app="billing"), "Billing"),
        (make_walsender(role="supabase_replication_admin"), "Reserved"),
        (make_background(), ""),
        (make_backend(role="", role_oid=0, app="billing", state="starting"), ""),
    ],
    ids=lambda value: value if isinstance(value, str) else value.role,
)
def test_ones_own_come_first(backend: Backend, label: str) -> None:
    assert labeller("Supabase", OWN)(backend) == label


def test_without_provider_and_labels_nobody_has_one() -> None:
    snapshot = make_snapshot([make_backend()])
    tags = tags_of(snapshot)
    assert not tags.labelled
    assert tags.source is NO_TAGS.source
    assert labeller(None, OWN)(make_backend(app="x", database="y")) == ""


def test_tags_carry_labels_and_leaks_to_filters_and_groups() -> None:
    rows = [make_backend(1, app="billing-a"), make_backend(2, app="billing-b"), make_backend(3, role="anon")]
    snapshot = make_snapshot(rows, server=make_server(provider="Supabase"))
    leak = Leak(Pool("billing-a", "app", "shop"), 0.9, "it leaks", {}, {rows[0].key: "idle for long"})
    tags = tags_of(snapshot, OWN, [leak])
    assert tags.labelled
    assert tags.leak == {rows[0].key: "idle for long"}

    def matching(text: str) -> list[int]:
        return [row.pid for row in rows if parse(text).matches(row, NOW, tags)]

    assert matching("source:Billing") == [1, 2]
    assert matching("!source:Billing") == [3]
    assert matching("source:Billing leak:yes") == [1]
    assert matching("leak:no") == [2, 3]
    groups = group(rows, GROUPINGS["source"], NOW, 3, tags)
    assert [(found.name, found.count) for found in groups] == [("Billing", 2), ("PostgREST", 1)]


def test_the_text_form_and_the_table_are_the_same() -> None:
    text = 'Billing=app:billing*; BI = client:10.9.0.0/16,local role:app;Semi=app:"a;b";'
    table = {"Billing": "app:billing*", "BI": "client:10.9.0.0/16,local role:app", "Semi": 'app:"a;b"'}
    assert [(one.name, one.wanted.text.strip()) for one in labels_of(text)] == list(table.items())
    assert [one.name for one in labels_of(table)] == ["Billing", "BI", "Semi"]
    assert labeller(None, labels_of(text))(make_backend(app="a;b")) == "Semi"
    assert labels_of("") == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Billing", "expected NAME=FILTER"),
        ("=app:x", "expected a name"),
        ("Billing=", "'Billing': expected a filter"),
        ("Billing=billing", "a label looks at role, app, client, db only"),
        ("Billing=state:idle", "a label looks at role, app, client, db only"),
        ("Billing=source:x", "a label looks at role"),
        ("Billing=client:10.2", "'Billing': '10.2' is no client"),
        ("Billing=ap:x", "'Billing': 'ap' is no key"),
        ({"Billing": 3}, "expected a filter"),
        ([1], "expected names and filters"),
        ({"x\x1b[31m": "("}, "label 'x␛"),
    ],
    ids=str,
)
def test_what_does_not_parse_is_one_line_that_names_the_label(value: object, expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        labels_of(value)
    assert expected in str(caught.value)
    assert not isinstance(caught.value, FilterError)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
