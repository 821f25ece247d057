"""Managed services as data. Add a provider's internal role: one name below.

Role names that only a provider creates are protected wherever they appear; names age, so rolsuper and
rolreplication are the guards that count and these come on top.
"""

from __future__ import annotations

#: fnmatch patterns of roles a provider's own agents log in as; never signalled.
INTERNAL_ROLES: tuple[str, ...] = (
    # Amazon RDS, Aurora
    "rdsadmin",
    "rdstopmgr",
    "rdswriteforwarduser",
    "rdsproxyadmin",
    # Google Cloud SQL
    "cloudsqladmin",
    "cloudsqlagent",
    "cloudsqlimportexport",
    "cloudsqlobservability",
    "cloudsqlconnpooladmin",
    # Azure
    "azuresu",
    "azure_superuser",
    # Supabase
    "supabase_admin",
    "supabase_auth_admin",
    "supabase_storage_admin",
    "supabase_realtime_admin",
    "supabase_functions_admin",
    # IBM Cloud
    "ibm",
    "ibm-cloud-base-user",
    # Neon
    "cloud_admin",
    "zenith_admin",
    "neon_service",
    # Crunchy Bridge
    "crunchy_superuser",
    # DigitalOcean
    "_dodb",
)

#: fnmatch patterns of roles that replicate; guarded as replication even where no attribute says so.
REPLICATION_ROLES: tuple[str, ...] = (
    "rdsrepladmin",
    "cloudsqlreplica",
    "cloudsqllogical",
    "supabase_replication_admin",
    "supabase_etl_admin",
    "ibm-replication",
    "crunchy_replication",
)
