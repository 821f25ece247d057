"""JobControl: Ctrl-Z, as a shell's job control has it. The process group stops, and goes on in the foreground only."""

from __future__ import annotations

import os
import signal
import termios
import time
from collections.abc import Callable

#: How long after the signal the stop is waited for. Where it does not come there is no shell to go back to.
STOPS_WITHIN_S = 0.5
IGNORED = "Ignored keys typed before the screen was back"
NO_JOB_CONTROL = "Ctrl-Z: no shell here would bring pgtop-conn back, so it goes on"


class JobControl:
    """`continued` is called, from a signal's handler, when somebody else stopped us and lets us go on."""

    def __init__(self, continued: Callable[[], None]) -> None:
        self._continued = continued
        #: False under a shell without job control, which starts its children with the signal ignored.
        self.possible = signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN
        self._continues = 0
        self._stopping = False

    def take(self, stop: Callable[[], None]) -> None:
        """From here on the signals are ours: `stop` is called for one that asks us to stop."""
        taken = {
            signal.SIGCONT: self._on_continue,
            signal.SIGTSTP: (lambda _number, _frame: stop()) if self.possible else signal.SIG_IGN,
        }
        for number, handler in taken.items():
            signal.signal(number, handler)

    def give_back(self) -> None:
        """The signals do what they did."""
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL if self.possible else signal.SIG_IGN)

    def _on_continue(self, _number: int, _frame: object) -> None:
        self._continues += 1
        if not self._stopping:
            self._continued()

    def stop(self, descriptor: int) -> bool:
        """Stop until a shell brings us to the foreground; False where nobody stopped us.

        `descriptor` is the terminal, in the shell's modes. What was typed on it meanwhile is thrown away.
        """
        return self._until_foreground(descriptor, signal.SIGTSTP)

    def stay_in_foreground(self, descriptor: int) -> bool:
        """After somebody let us go on: stop again in the background. False where that can't be."""
        return in_foreground(descriptor) or self._until_foreground(descriptor, signal.SIGTTOU)

    def _until_foreground(self, descriptor: int, first: signal.Signals) -> bool:
        self._stopping = True
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            stopped = self._stops(first)
            while stopped and not in_foreground(descriptor):
                stopped = self._stops(signal.SIGTTOU)
            if in_foreground(descriptor):
                termios.tcflush(descriptor, termios.TCIFLUSH)
            return stopped
        finally:
            signal.signal(signal.SIGTSTP, handler)
            self._stopping = False

    def _stops(self, number: signal.Signals) -> bool:
        """Send the whole group what the terminal would; whether it came to a stop, once it goes on."""
        before = self._continues
        # A group that no shell looks after gets no stop: the kernel drops the signal.
        os.kill(0, number)
        until = time.monotonic() + STOPS_WITHIN_S
        while self._continues == before and time.monotonic() < until:
            time.sleep(0.02)
        return self._continues != before


def in_foreground(descriptor: int) -> bool:
    """Whether we may use the terminal; True where it is not the one of our session."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return True
