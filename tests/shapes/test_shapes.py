"""The top finding is the cause that was built, and of a healthy shape nothing is said."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator

import pytest

from tests.conftest import VERSIONS
from tests.shapes.conftest import SEEN
from tests.support.servers import Servers
from tests.support.shapes.shape import Shape
from tests.support.shapes.table import CAUSES, HEALTHY, PAIRS, SHAPES
from tests.support.shapes.watch import Results, look_at_all

# All shapes are watched side by side before the first test, so one worker takes them all.
pytestmark = [pytest.mark.timeout(1200), pytest.mark.xdist_group("shapes")]

NEWEST = max(VERSIONS)
WANTED = [(major, shape) for major in sorted(VERSIONS) for shape in SHAPES if shape.everywhere or major == NEWEST]


@pytest.fixture(scope="module")
def results(servers: Servers, request: pytest.FixtureRequest) -> Iterator[Results]:
    chosen = {item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and is_ours(item)}
    wanted = [(major, shape) for major, shape in WANTED if name_of((major, shape)) in chosen]
    with asyncio.Runner() as runner:
        with warnings.catch_warnings():
            # Applications that are taken down in the middle of a login leave its connection to the collector.
            warnings.simplefilter("ignore", ResourceWarning)
            found = runner.run(look_at_all(servers, wanted, NEWEST))
            gc.collect()
        yield found


def is_ours(item: pytest.Function) -> bool:
    return item.function is test_shape


def name_of(one: tuple[int, Shape]) -> str:
    return f"{one[1]}-pg{one[0]}"


@pytest.mark.parametrize("one", WANTED, ids=name_of)
def test_shape(one: tuple[int, Shape], results: Results, pytestconfig: pytest.Config) -> None:
    major, shape = one
    seen = results[major, shape.name].result()
    pytestconfig.stash.setdefault(SEEN, []).append(seen)
    assert not seen.wrong, str(seen)


def test_there_are_enough_shapes() -> None:
    assert len(CAUSES) >= 11
    assert {cause for shape in CAUSES for cause in shape.expected} >= set(type(CAUSES[0].expected[0]))
    assert len(HEALTHY) >= 10
    assert len(PAIRS) >= 3
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)
