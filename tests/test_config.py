"""Settings: precedence, and one clear line for what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgtop_conn.config import load
from pgtop_conn.model.errors import BadInput


def test_arguments_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('interval = 5\ngroup = "role"\nfilter = "state:idle"\nprotected-roles = ["core_*"]\n')
    environ = {"PGTOP_CONN_GROUP": "state", "PGTOP_CONN_FILTER": "db:shop", "PGTOP_CONN_ASCII": "yes"}
    settings = load({"filter": "app:web"}, environ, str(file))
    assert (settings.interval_s, settings.group, settings.filter) == (5.0, "state", "app:web")
    assert settings.protected_roles == ("core_*",)
    assert settings.ascii
    assert settings.mouse


def test_labels_are_a_table_in_the_file_and_a_text_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('interval = 5\n[labels]\nBilling = "app:billing*"\n"BI tools" = "client:10.2.0.0/16"\n')
    assert [label.name for label in load({}, {}, str(file)).labels] == ["Billing", "BI tools"]
    (label,) = load({}, {"PGTOP_CONN_LABELS": "Web=role:web,api"}, str(file)).labels
    assert (label.name, label.wanted.text) == ("Web", "role:web,api")
    assert [label.name for label in load({"labels": "A=app:a;B=db:b"}, {}, str(file)).labels] == ["A", "B"]
    with pytest.raises(BadInput, match=r"^PGTOP_CONN_LABELS: label 'Web': a label looks at"):
        load({}, {"PGTOP_CONN_LABELS": "Web=idle>3s"})


def test_without_a_file_the_defaults_hold() -> None:
    assert load({}, {}).interval_s == 2.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("intervall = 2", "did you mean interval"),
        ("interval = 0.1", "expected seconds between 0.25 and 60"),
        ("interval = true", "expected seconds"),
        ('group = "tables"', "expected one of app, role"),
        ("read-only = 3", "expected yes or no"),
        ("protected-roles = [1]", "expected a list of names"),
        ("[labels]\nBilling = 'app~('", "labels: label 'Billing': "),
        ("labels = [1]", "labels: expected names and filters"),
        ("interval = [", "expected TOML"),
        ("warning = 90\ncritical = 80", "at most critical"),
    ],
)
def test_a_value_that_does_not_fit_names_its_place(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(BadInput, match=expected):
        load({}, {}, str(file))


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no configuration file"):
        load({}, {}, str(tmp_path / "absent.toml"))


def test_a_bad_variable_is_named() -> None:
    with pytest.raises(BadInput, match="PGTOP_CONN_INTERVAL"):
        load({}, {"PGTOP_CONN_INTERVAL": "soon"})
