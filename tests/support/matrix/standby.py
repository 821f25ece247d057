"""A hot standby made of a copy of its primary, with the same system identifier."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pgtop_conn.demo.server import Cluster

#: The first version that synchronises slots.
SLOT_SYNC_SINCE = 17


def copy_primary(primary: Cluster, standby: Cluster) -> None:
    """Make the stopped `standby` follow the stopped `primary`, whose slot `standby` it takes."""
    owner = standby.data_dir.stat()
    shutil.rmtree(standby.data_dir)
    shutil.copytree(primary.data_dir, standby.data_dir, symlinks=True)
    settings = {
        "port": str(standby.port),
        "listen_addresses": "",
        "unix_socket_directories": str(standby.socket_dir),
        "primary_conninfo": f"host={primary.socket_dir} port={primary.port} user=postgres dbname=postgres",
        "primary_slot_name": "standby",
        "hot_standby_feedback": "on",
    }
    if standby.major >= SLOT_SYNC_SINCE:
        settings["sync_replication_slots"] = "on"
    with (standby.data_dir / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    (standby.data_dir / "standby.signal").touch()
    for folder, _, names in os.walk(standby.data_dir):
        for name in ("", *names):
            os.chown(Path(folder) / name, owner.st_uid, owner.st_gid)
