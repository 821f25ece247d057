"""What the tests of this folder did on real servers, counted for the line at the end of the run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """`protected` and `mispredicted` must stay 0: signals to a guarded session, permissions that were not as said."""

    populations: int = 0
    plans: int = 0
    signals: int = 0
    protected: int = 0
    permissions: int = 0
    mispredicted: int = 0

    def line(self) -> str:
        return (
            f"kill: {self.populations} populations, {self.plans} plans, {self.signals} signals sent, "
            f"protected signalled {self.protected}; {self.permissions} permissions asked of the server, "
            f"mispredicted {self.mispredicted}"
        )


TALLY = Tally()
