"""Regular expressions whose search takes time proportional to the text, whatever the pattern and whatever the text.

Python's own engine tries one way after the other, which a query text can make it do for minutes while the screen
stands still. Here all ways are followed at once: the pattern becomes an automaton, its states are worked out as texts
need them and are remembered. The price: no look-around, no references to groups, no possessive repeats.

Syntax and meaning are Python's, without case, `.` matching a line's end too. Add an escape: _ESCAPE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pgtop_conn.model.lazy_regex import later

#: An automaton of so many nodes is small enough for every text; counted repeats multiply what they repeat.
MOST_NODES = 500
#: Remembered steps; beyond, they are forgotten and worked out anew.
_MOST_STEPS = 20_000
#: `(?i)` and the like at the beginning change nothing here.
_FLAGS = later(r"(?:\(\?[aiLmsux]+\))*")
_ESCAPE = later(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|0[0-7]{0,2}|[1-3][0-7]{2}|.)", re.DOTALL)
_CLASS = later(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = later(r"\((?:\?:|\?P<\w+>)?")
_COUNT = later(r"\{([0-9]*)(,?)([0-9]*)\}")
_WORD = later(r"\w")

Node = int
#: What stands between two characters must hold: at the beginning, before the end, between a word and another character.
_ANCHORS = {"^": "begin", r"\A": "begin", "$": "end", r"\Z": "end", r"\b": "border", r"\B": "inside"}


class Unsupported(Exception):
    """The pattern holds what an automaton cannot do, or is too large; the message says what."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """Characters that the pattern cannot tell apart: which of its atoms take them."""

    atoms: frozenset[str]
    word: bool


@dataclass(slots=True)
class _State:
    """The nodes reached so far, and what lies before them; `steps` leads on by the next character, None is a match."""

    nodes: frozenset[Node]
    at_begin: bool
    after_word: bool
    steps: dict[_Kind, _State | None] = field(default_factory=dict)
    matches_at_end: bool | None = None


class _Kinds(dict[str, _Kind]):
    """Each character's kind, found when it first comes along."""

    def __init__(self, atoms: Mapping[str, re.Pattern[str]]) -> None:
        super().__init__()
        self._atoms = atoms
        self._every: dict[tuple[frozenset[str], bool], _Kind] = {}

    def __missing__(self, char: str) -> _Kind:
        taking = frozenset(source for source, pattern in self._atoms.items() if pattern.match(char))
        word = _WORD.match(char) is not None
        self[char] = kind = self._every.setdefault((taking, word), _Kind(taking, word))
        return kind


class Expression:
    """A compiled pattern. Raises Unsupported, and re.error, OverflowError or RecursionError as re.compile() does."""

    def __init__(self, pattern: str) -> None:
        re.compile(pattern, re.IGNORECASE | re.DOTALL)
        self._graph = graph = _Graph(pattern)
        self._kinds = _Kinds(graph.atoms)
        self._first = _State(frozenset({graph.first}), True, False)
        self._states: dict[tuple[frozenset[Node], bool], _State] = {}
        self._steps = 0

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        state = self._first
        for kind in map(self._kinds.__getitem__, text):
            following = state.steps.get(kind, state)
            if following is state and kind not in state.steps:
                following = self._step(state, kind)
            if following is None:
                return True
            state = following
        if state.matches_at_end is None:
            state.matches_at_end = self._closure(state, None) is None
        return state.matches_at_end

    def _step(self, state: _State, kind: _Kind) -> _State | None:
        if self._steps >= _MOST_STEPS:
            self._steps = 0
            self._states.clear()
            self._first.steps.clear()
            state.steps.clear()
        graph = self._graph
        closure = self._closure(state, kind)
        following = None
        if closure is not None:
            reached = (graph.next_of[node] for node in closure if graph.atom_of[node] in kind.atoms)
            key = (frozenset((graph.first, *reached)), kind.word)
            following = self._states.get(key)
            if following is None:
                following = self._states[key] = _State(key[0], False, key[1])
        state.steps[kind] = following
        self._steps += 1
        return following

    def _closure(self, state: _State, kind: _Kind | None) -> list[Node] | None:
        """The nodes that wait for a character, given the next one (None: the end); None is a match."""
        graph = self._graph
        before, after = state.after_word, kind is not None and kind.word
        holds = {"begin": state.at_begin, "end": kind is None, "border": before != after, "inside": before == after}
        seen: set[Node] = set()
        open_nodes = list(state.nodes)
        while open_nodes:
            node = open_nodes.pop()
            if node in seen:
                continue
            if node == graph.last:
                return None
            seen.add(node)
            anchor = graph.anchors.get(node)
            if anchor is None or holds[anchor]:
                open_nodes += graph.forks.get(node, ())
        return [node for node in seen if node in graph.next_of]


class _Graph:
    """Reads a pattern into nodes: one that takes a character, or one that forks to others without taking any."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        flags = _FLAGS.match(pattern)
        self._position = flags.end() if flags else 0
        if flags and set(flags.group()) & set("mxLa"):
            raise Unsupported(f"the flags {flags.group()}")
        self._count = 0
        self.next_of: dict[Node, Node] = {}
        self.forks: dict[Node, tuple[Node, ...]] = {}
        self.anchors: dict[Node, str] = {}
        self.atom_of: dict[Node, str] = {}
        #: Whatever takes one character, tested by Python's own engine once for each character that comes along.
        self.atoms: dict[str, re.Pattern[str]] = {}
        self.first, self.last = self._choice()

    def _node(self) -> Node:
        self._count += 1
        if self._count > MOST_NODES:
            raise Unsupported("so many repeats")
        return self._count

    def _empty(self) -> tuple[Node, Node]:
        node = self._node()
        return node, node

    def _choice(self) -> tuple[Node, Node]:
        """Alternatives until a closing bracket or the end."""
        first, last = self._node(), self._node()
        while True:
            begin, end = self._sequence()
            self.forks[first] = (*self.forks.get(first, ()), begin)
            self.forks[end] = (*self.forks.get(end, ()), last)
            if not self._taken("|"):
                return first, last

    def _sequence(self) -> tuple[Node, Node]:
        first, last = self._empty()
        while self._position < len(self._pattern) and self._pattern[self._position] not in "|)":
            start = self._position
            begin, end = self._piece()
            least, most = self._repeat()
            stop = self._position
            if (least, most) != (1, 1):
                begin, end = self._repeated(start, (begin, end), least, most)
                self._position = stop
            self.forks[last] = (*self.forks.get(last, ()), begin)
            last = end
        return first, last

    def _repeated(self, start: int, one: tuple[Node, Node], least: int, most: int | None) -> tuple[Node, Node]:
        """The piece that is written at `start`, read once more for each time it may come."""
        first, last = self._empty()
        end = self._node()
        copies = max(least, most or 0, 1)
        for number in range(copies):
            if number:
                self._position = start
                one = self._piece()
            if number >= least:
                self.forks[last] = (*self.forks.get(last, ()), end)
            if most != 0:
                self.forks[last] = (*self.forks.get(last, ()), one[0])
                last = one[1]
        if most is None:
            self.forks[last] = (*self.forks.get(last, ()), one[0])
        self.forks[last] = (*self.forks.get(last, ()), end)
        return first, end

    def _piece(self) -> tuple[Node, Node]:
        pattern, position = self._pattern, self._position
        char = pattern[position]
        if char == "(":
            return self._group()
        if char == "\\":
            match = _ESCAPE.match(pattern, position)
        else:
            match = _CLASS.match(pattern, position) if char == "[" else None
        source = match.group() if match else char
        self._position += len(source)
        if source in _ANCHORS:
            first, last = self._node(), self._node()
            self.forks[first], self.anchors[first] = (last,), _ANCHORS[source]
            return first, last
        if char == "\\" and source[1].isdigit() and len(source) < 3 and source != r"\0":
            raise Unsupported(f"the reference {source}")
        return self._atom(source)

    def _atom(self, source: str) -> tuple[Node, Node]:
        first, last = self._node(), self._node()
        self.next_of[first], self.atom_of[first] = last, source
        if source not in self.atoms:
            self.atoms[source] = re.compile(f"\\{source}" if source in "{}" else source, re.IGNORECASE | re.DOTALL)
        return first, last

    def _group(self) -> tuple[Node, Node]:
        opening = _GROUP.match(self._pattern, self._position)
        assert opening is not None
        if opening.group() == "(" and self._pattern.startswith("(?", self._position):
            raise Unsupported(f"the group {self._pattern[self._position : self._position + 4]}")
        self._position = opening.end()
        found = self._choice()
        self._position += 1
        return found

    def _repeat(self) -> tuple[int, int | None]:
        """How often the piece before may come: least and most, None without an end."""
        simple = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        times: tuple[int, int | None] = (1, 1)
        char = self._pattern[self._position : self._position + 1]
        counted = _COUNT.match(self._pattern, self._position)
        if char in simple:
            times = simple[char]
            self._position += 1
        elif counted and (counted[1] or counted[2] or counted[3]):
            least = int(counted[1] or 0)
            most = (int(counted[3]) if counted[3] else None) if counted[2] else least
            if max(least, most or 0) > MOST_NODES:
                raise Unsupported("so many repeats")
            times = (least, most)
            self._position = counted.end()
        else:
            return times
        if self._taken("+"):
            raise Unsupported("a repeat that ends in +")
        self._taken("?")
        return times

    def _taken(self, char: str) -> bool:
        found = self._pattern.startswith(char, self._position)
        self._position += found
        return found
