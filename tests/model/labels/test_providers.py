"""Providers: who is recognised by what, and that the guards protect the roles of all of them."""

from __future__ import annotations

import pytest

from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.labels.providers import (
    INTERNAL_ROLES,
    PROVIDERS,
    REPLICATION_ROLES,
    Provider,
    provider_named,
    recognise,
)


def name_of(**found: object) -> str | None:
    provider = recognise(**found)  # type: ignore[arg-type]
    return provider.name if provider else None


@pytest.mark.parametrize("one", PROVIDERS, ids=lambda one: one.name)
def test_each_is_recognised_by_each_of_its_signs(one: Provider) -> None:
    assert provider_named(one.name) is one
    for setting in one.settings:
        assert recognise(settings=[setting], functions=one.functions) is one
    for schema in one.schemas:
        assert recognise(schemas=[schema]) is one
    for roles in one.roles:
        assert recognise(roles=roles, functions=one.functions) is one
    for database in one.databases:
        assert recognise(databases=[database], functions=one.functions) is None
        assert recognise(databases=[database], roles=one.internal[:1], functions=one.functions) is one


@pytest.mark.parametrize(
    "names",
    [
        {"roles": ["postgres", "replication", "admin"]},
        {"roles": ["ibm"]},
        {"roles": ["authenticator", "anon", "authenticated", "service_role"]},
        {"roles": ["supabase_admin"]},
        {"roles": ["cloud_admin"]},
        {"roles": ["rds_superuser", "rdsrepladmin"]},
        {"databases": ["rdsadmin", "azure_sys"]},
        {"functions": ["aurora_version"]},
        {"settings": ["pg_stat_statements.", "plpgsql.", "rdsx.", "neonate.", "azure_storage."]},
    ],
    ids=str,
)
def test_what_anybody_may_choose_tells_nothing(names: dict[str, list[str]]) -> None:
    assert recognise(**names) is None


def test_settings_before_roles_and_two_that_fit_are_none() -> None:
    supabase = ["supabase_admin", "authenticator"]
    assert name_of(settings=["rds."], roles=supabase) == "AWS RDS"
    assert name_of(settings=["rds.", "neon."]) is None
    assert name_of(roles=["avnadmin", "doadmin"]) is None
    assert name_of(settings=["rds."], functions=["aurora_version"]) == "AWS Aurora"


def test_the_guards_names_come_from_the_providers() -> None:
    for name in ("rdsadmin", "cloudsqladmin", "azuresu", "supabase_admin", "ibm", "cloud_admin", "alloydbadmin"):
        assert name in INTERNAL_ROLES
    for name in ("rdsrepladmin", "cloudsqlreplica", "alloydbreplica", "supabase_replication_admin", "ibm-replication"):
        assert name in REPLICATION_ROLES
    # A customer's own role on these services, or a superuser that its attribute tells already.
    for name in ("postgres", "admin", "avnadmin", "authenticator", "replication"):
        assert name not in (*INTERNAL_ROLES, *REPLICATION_ROLES)


def test_every_label_is_a_filter_on_roles() -> None:
    for provider in PROVIDERS:
        for label, text in provider.labels:
            assert label
            assert parse(text).mentions("role")
