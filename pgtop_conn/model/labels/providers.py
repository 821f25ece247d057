"""Managed services as data: what tells one, who its own roles are, whose sessions they hold. Add one: an entry here.

Role names that only a provider creates are protected wherever they appear; names age, so rolsuper and rolreplication
are the guards that count and these come on top. What is said here comes from the providers' documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Provider:
    """One service. It is recognised by one of its settings, otherwise by a schema, otherwise by roles or a database."""

    #: As it is shown, and as Server.provider holds it.
    name: str
    #: Prefixes of its settings, ending in a dot, and names that are asked for one by one: a list may leave them out.
    settings: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    #: Roles that tell it when they are all there; a name that anybody may choose never stands alone.
    roles: tuple[frozenset[str], ...] = ()
    #: A database of its own, which tells it together with one of its internal roles.
    databases: tuple[str, ...] = ()
    #: What must exist besides, in any schema: tells a service from the one it is built on.
    functions: tuple[str, ...] = ()
    #: fnmatch patterns of roles that its own agents log in as; never signalled.
    internal: tuple[str, ...] = ()
    #: fnmatch patterns of roles that replicate; guarded as replication even where no attribute says so.
    replication: tuple[str, ...] = ()
    #: Source label and the filter of the sessions it is for; the first that matches counts, `rest` is for all others.
    labels: tuple[tuple[str, str], ...] = ()
    rest: str = "Application"
    #: Where its customers change a setting of the server: there is no ALTER SYSTEM for them.
    settings_place: str = "the provider's console"
    #: What its customers should know about slots, a sentence each.
    notes: tuple[str, ...] = ()


_RDS = Provider(
    "AWS RDS",
    settings=("rds.", "rds.extensions", "rds.logical_replication", "rds.force_ssl", "rds.superuser_variables"),
    roles=(frozenset({"rdsadmin", "rds_superuser"}),),
    databases=("rdsadmin",),
    internal=("rdsadmin", "rdstopmgr", "rdswriteforwarduser", "rdsproxyadmin"),
    replication=("rdsrepladmin",),
    labels=(
        ("RDS Proxy", "role:rdsproxyadmin"),
        ("Replication", "role:rdsrepladmin"),
        ("RDS", "role:rdsadmin,rdstopmgr,rdswriteforwarduser"),
    ),
    settings_place="the DB parameter group",
    notes=(
        "no customer is a superuser; rds_superuser may signal every session but those of rdsadmin",
        "besides superuser_reserved_connections, rds.rds_superuser_reserved_connections and"
        " rds.rds_reserved_connections keep slots from applications",
        "replication is granted by the role rds_replication, not by the attribute REPLICATION",
        "max_connections is by default a formula of the instance's memory",
    ),
)

#: In no particular order: two that fit equally well make none of them recognised.
PROVIDERS: tuple[Provider, ...] = (
    replace(_RDS, name="AWS Aurora", functions=("aurora_version",), settings_place="the DB cluster parameter group"),
    _RDS,
    Provider(
        "Google Cloud SQL",
        settings=("cloudsql.", "cloudsql.iam_authentication", "cloudsql.logical_decoding", "cloudsql.enable_pgaudit"),
        roles=(frozenset({"cloudsqladmin", "cloudsqlsuperuser"}),),
        databases=("cloudsqladmin",),
        internal=(
            *("cloudsqladmin", "cloudsqlagent", "cloudsqlimportexport", "cloudsqlobservability"),
            "cloudsqlconnpooladmin",
        ),
        replication=("cloudsqlreplica", "cloudsqllogical"),
        labels=(
            ("Replication", "role:cloudsqlreplica,cloudsqllogical"),
            ("Pooler", "role:cloudsqlconnpooladmin"),
            ("Import and export", "role:cloudsqlimportexport"),
            ("Cloud SQL", "role:cloudsqladmin,cloudsqlagent,cloudsqlobservability"),
        ),
        settings_place="the instance's database flags",
        notes=("no customer is a superuser; cloudsqlsuperuser may not signal cloudsqladmin's sessions",),
    ),
    Provider(
        "Google AlloyDB",
        settings=("alloydb.", "alloydb.iam_authentication", "alloydb.enable_pgaudit", "alloydb.logical_decoding"),
        roles=(frozenset({"alloydbadmin", "alloydbsuperuser"}), frozenset({"alloydbadmin", "alloydbmetadata"})),
        databases=("alloydbadmin", "alloydbmetadata"),
        internal=(
            *("alloydbadmin", "alloydbagent", "alloydbmetadata", "alloydbobservability"),
            *("alloydbimportexport", "alloydbexport"),
        ),
        replication=("alloydbreplica", "alloydbsqllogical"),
        labels=(
            ("Replication", "role:alloydbreplica,alloydbsqllogical"),
            ("Import and export", "role:alloydbimportexport,alloydbexport"),
            ("AlloyDB", "role:alloydbadmin,alloydbagent,alloydbmetadata,alloydbobservability"),
        ),
        settings_place="the instance's database flags",
        notes=("no customer is a superuser; alloydbsuperuser may not signal alloydbadmin's sessions",),
    ),
    Provider(
        "Azure",
        settings=("azure.", "azure.extensions", "azure.accepted_password_auth_method"),
        roles=(frozenset({"azuresu", "azure_pg_admin"}), frozenset({"azure_superuser", "azure_pg_admin"})),
        databases=("azure_maintenance", "azure_sys"),
        internal=("azuresu", "azure_superuser"),
        labels=(("Azure", "role:azuresu,azure_superuser"), ("Replication", "role:replication")),
        settings_place="the server parameters",
        notes=(
            "15 slots are kept for replication and monitoring:"
            " superuser_reserved_connections 10 and, from 16 on, reserved_connections 5",
            "client_connection_check_interval is fixed at 0",
            "the built-in PgBouncer listens on port 6432; its max_prepared_statements is 0 by default",
        ),
    ),
    Provider(
        "Supabase",
        settings=("supautils.", "supautils.reserved_roles", "supautils.reserved_memberships", "supautils.superuser"),
        roles=(frozenset({"supabase_admin", "authenticator"}), frozenset({"supabase_admin", "supabase_auth_admin"})),
        internal=(
            *("supabase_admin", "supabase_auth_admin", "supabase_storage_admin", "supabase_realtime_admin"),
            "supabase_functions_admin",
        ),
        replication=("supabase_replication_admin", "supabase_etl_admin"),
        labels=(
            ("PostgREST", "role:authenticator,anon,authenticated,service_role"),
            ("Auth", "role:supabase_auth_admin"),
            ("Storage", "role:supabase_storage_admin"),
            ("Realtime", "role:supabase_realtime_admin"),
            ("Reserved", "role:supabase_*,pgbouncer,dashboard_user,cli_login_*"),
            ("Postgres", "role:postgres"),
        ),
        rest="Other",
        settings_place="the Supabase CLI (supabase postgres-config update)",
        notes=(
            "postgres is no superuser; supabase_admin is",
            "Supavisor stands in front: its pool sizes count against max_connections",
        ),
    ),
    Provider(
        "IBM Cloud",
        roles=(
            frozenset({"ibm", "ibm-replication"}),
            frozenset({"ibm", "ibm-cloud-base-user"}),
            frozenset({"ibm_admin", "ibm_writer"}),
        ),
        internal=("ibm", "ibm-cloud-base-user"),
        replication=("ibm-replication",),
        labels=(
            ("Replication", "role:ibm-replication"),
            ("IBM", "role:ibm,ibm-cloud-base-user"),
            ("Admin", "role:admin"),
        ),
        settings_place="the Cloud Databases CLI (ibmcloud cdb deployment-configuration)",
        notes=(
            "15 of 115 slots are kept for superusers, whom only IBM has",
            "kill_all_connections() of Gen 2 ends every session; pgtop-conn never calls it",
        ),
    ),
    Provider(
        "Neon",
        settings=("neon.", "neon.tenant_id", "neon.timeline_id", "neon.safekeepers"),
        roles=(frozenset({"cloud_admin", "neon_superuser"}), frozenset({"zenith_admin", "neon_superuser"})),
        internal=("cloud_admin", "zenith_admin", "neon_service"),
        labels=(("Neon", "role:cloud_admin,zenith_admin,neon_service"),),
        settings_place="the compute's settings",
        notes=(
            "7 slots are kept for Neon's own superuser",
            "max_connections follows from the compute size",
            "a host name that ends in -pooler is PgBouncer",
        ),
    ),
    Provider(
        "Crunchy Bridge",
        roles=(frozenset({"crunchy_superuser", "crunchy_replication"}),),
        internal=("crunchy_superuser",),
        replication=("crunchy_replication",),
        labels=(("Replication", "role:crunchy_replication"), ("Crunchy", "role:crunchy_superuser")),
        settings_place="the cluster's configuration parameters (cb config-param)",
    ),
    Provider(
        "Heroku",
        schemas=("heroku_ext",),
        labels=(("Heroku", "role:postgres"),),
        settings_place="Heroku's CLI (heroku pg:settings)",
        notes=("small plans let a role end only its own sessions (heroku pg:killall)",),
    ),
    Provider(
        "Aiven",
        roles=(frozenset({"avnadmin"}),),
        labels=(("Aiven", "role:postgres"), ("Admin", "role:avnadmin")),
        settings_place="the service's advanced configuration",
        notes=("a few slots are kept for the service itself",),
    ),
    Provider(
        "DigitalOcean",
        roles=(frozenset({"doadmin"}),),
        internal=("_dodb",),
        labels=(("DigitalOcean", "role:postgres,_dodb"), ("Admin", "role:doadmin")),
        settings_place="the cluster's settings",
        notes=("3 slots are kept for maintenance",),
    ),
    Provider(
        "Timescale",
        roles=(frozenset({"tsdbadmin"}),),
        labels=(("Timescale", "role:postgres"), ("Admin", "role:tsdbadmin")),
        settings_place="the service's database parameters",
        notes=("a few slots are kept for the service itself",),
    ),
)

_BY_NAME: Mapping[str, Provider] = MappingProxyType({provider.name: provider for provider in PROVIDERS})


def _all(of: Callable[[Provider], tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for provider in PROVIDERS for name in of(provider)))


#: What the guards protect on every server, recognised or not.
INTERNAL_ROLES: tuple[str, ...] = _all(lambda provider: provider.internal)
REPLICATION_ROLES: tuple[str, ...] = _all(lambda provider: provider.replication)

#: Settings that a server is asked for by their names, functions and schemas that are looked for.
KNOWN_SETTINGS: tuple[str, ...] = tuple(
    name for name in _all(lambda provider: provider.settings) if not name.endswith(".")
)
KNOWN_FUNCTIONS: tuple[str, ...] = _all(lambda provider: provider.functions)
KNOWN_SCHEMAS: tuple[str, ...] = _all(lambda provider: provider.schemas)


def provider_named(name: str | None) -> Provider | None:
    """The provider of Server.provider."""
    return _BY_NAME.get(name or "")


def recognise(
    settings: Collection[str] = (),
    roles: Collection[str] = (),
    databases: Collection[str] = (),
    functions: Collection[str] = (),
    schemas: Collection[str] = (),
) -> Provider | None:
    """Whose server has these settings (names, or prefixes with their dot), roles, databases, functions and schemas.

    Settings are asked first, since an ordinary user makes none; roles and databases may have come with a dump.
    """

    def has_setting(provider: Provider) -> bool:
        prefixes = tuple(name for name in provider.settings if name.endswith("."))
        return any(name.startswith(prefixes) for name in settings)

    def has_schema(provider: Provider) -> bool:
        return any(name in schemas for name in provider.schemas)

    def has_roles(provider: Provider) -> bool:
        own_database = any(name in databases for name in provider.databases)
        return any(wanted <= set(roles) for wanted in provider.roles) or (
            own_database and any(name in roles for name in provider.internal)
        )

    for fits in (has_setting, has_schema, has_roles):
        found = [one for one in PROVIDERS if fits(one) and all(name in functions for name in one.functions)]
        closest = [one for one in found if one.functions] or found
        if closest:
            return closest[0] if len(closest) == 1 else None
    return None
