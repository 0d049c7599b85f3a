"""Signals that end a run, as an exception that cannot get lost on its way."""

from __future__ import annotations

import signal
import sys
import time
import weakref
from _thread import start_new_thread
from threading import main_thread
from typing import Any


class Interrupted(BaseException):
    """SIGINT or SIGTERM; not an Exception, so that nothing on the way takes it for an error."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """A context in which SIGINT and SIGTERM raise one `Interrupted`, and again if it was swallowed.

    Python drops what a handler raises amid a callback of the garbage collector or of compiled code,
    and a bare ``except`` takes it for an error; the run would go on as though nothing had come.
    """

    def __init__(self) -> None:
        self._raised: weakref.ref[Interrupted] | None = None
        self._over = False

    def __enter__(self) -> None:
        self._handlers = {
            each: signal.signal(each, self._raise) for each in (signal.SIGINT, signal.SIGTERM)
        }
        self._hook, sys.unraisablehook = sys.unraisablehook, self._dropped

    def __exit__(self, *_what: object) -> None:
        self._over = True
        for each, handler in self._handlers.items():
            # Once interrupted, nothing shall disturb the end of the process.
            signal.signal(each, signal.SIG_IGN if self._raised else handler)
        sys.unraisablehook = self._hook

    def _raise(self, number: int, _frame: Any) -> None:
        if self._raised is None:
            # Not by threading, whose lock the interrupted code may be holding.
            start_new_thread(self._insist, (number,))
        elif self._raised() is not None:
            return  # on its way: a second signal must not disturb the saving of frames
        signalled = Interrupted(number)
        self._raised = weakref.ref(signalled)
        try:
            raise signalled
        finally:
            del signalled  # or this frame would keep it alive when it is swallowed

    def _insist(self, number: int) -> None:
        # The main thread may be waiting for something, which a signal to this one does not end.
        send = getattr(signal, "pthread_kill", lambda _thread, which: signal.raise_signal(which))
        while not self._over:
            send(main_thread().ident, number)
            time.sleep(0.1)

    def _dropped(self, unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, Interrupted):
            self._hook(unraisable)
