"""Names of privileged roles: no server takes the room of another's, and no file that can't be read is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.snapshot import Role, Snapshot
from pgtop_conn.model.source import Action, Outcome, Target
from pgtop_conn.sources.role_memory import FILE, MOST_SERVERS, RoleMemory, recall
from tests.support.data.factories import make_own, make_snapshot


class One:
    """A source that gives one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    async def poll(self) -> Snapshot:
        return self.snapshot

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        return []

    def settle(self, action: Action, outcome: Outcome) -> None:
        return

    async def facts(self) -> Facts:
        return NO_FACTS

    async def close(self) -> None:
        return


async def see(folder: Path, port: int, names: Sequence[str], host: str = "/run/postgresql") -> None:
    """A poll of a server with these superusers."""
    snapshot = make_snapshot([make_own()])
    roles = {
        oid: Role(oid, name, superuser=True, replication=False, can_login=True, connection_limit=-1, usable=True)
        for oid, name in enumerate(names, 1)
    }
    server = replace(snapshot.server, host=host, port=port)
    await RoleMemory(One(replace(snapshot, server=server, roles=roles)), folder).poll()


async def test_a_server_with_many_roles_leaves_the_others_protected(tmp_path: Path) -> None:
    await see(tmp_path, 5432, ["boss"])
    many = [f"{number:063}" for number in range(100_000)]
    await see(tmp_path, 5433, many)
    await see(tmp_path, 5434, ["chief"])
    assert recall([tmp_path], 5432) == {"boss"}
    assert recall([tmp_path], 5434) == {"chief"}
    # Those that have no room are protected all the same.
    found = recall([tmp_path], 5433)
    assert all(name in found for name in many)
    assert (tmp_path / FILE).stat().st_size < 10_000


async def test_a_large_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    known = {"local:5432": ["boss"], "local:5433": [f"{number:063}" for number in range(100_000)]}
    (tmp_path / FILE).write_text(json.dumps(known, indent=1))
    assert (tmp_path / FILE).stat().st_size > 4 * 2**20
    await see(tmp_path, 5434, ["chief"])
    assert recall([tmp_path], 5432) == {"boss"}
    assert f"{5:063}" in recall([tmp_path], 5433)


async def test_a_file_that_can_not_be_read_is_kept(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"local:5432": ["boss"')
    await see(tmp_path, 5433, ["chief"])
    assert recall([tmp_path], 5433) == {"chief"}
    assert (tmp_path / f"{FILE}.unreadable-1").read_text() == '{"local:5432": ["boss"'


async def test_servers_of_other_machines_give_way_to_those_of_this_one(tmp_path: Path) -> None:
    await see(tmp_path, 1, ["boss"])
    known = json.loads((tmp_path / FILE).read_text())
    known |= {f"192.0.2.1:{port}": ["x"] for port in range(MOST_SERVERS)}
    (tmp_path / FILE).write_text(json.dumps(known))
    await see(tmp_path, 2, ["chief"])
    assert len(json.loads((tmp_path / FILE).read_text())) == MOST_SERVERS
    assert recall([tmp_path], 1) == {"boss"}
    assert recall([tmp_path], 2) == {"chief"}


async def test_a_name_that_no_role_has_protects_nobody(tmp_path: Path) -> None:
    await see(tmp_path, 5432, ["", "boss"])
    assert recall([tmp_path], 5432) == {"boss"}
