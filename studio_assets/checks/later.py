"""Libraries that another one imports and hardly uses: loaded when something is first taken from them.

Only for vendors' imports, which are not ours to move to where they are used.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class Later(ModuleType):
    """Stands in for a module that nobody has loaded; who takes something from it gets the module's own."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._importing = threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        # The imports it stands in for ask for names of this kind; whoever wants to use a module, for others.
        # Another thread that asks wants the module, or a part of it that only its own path leads to.
        is_theirs = sys.modules.get(self.__name__) is self and threading.get_ident() == self._importing
        if name.startswith("__") and is_theirs:
            raise AttributeError(name)
        _withdraw()
        return getattr(import_module(self.__name__), name)


@contextmanager
def loaded_when_used(names: Sequence[str]) -> Iterator[None]:
    """Let modules that are imported meanwhile have stand-ins for these, each in a library of its own.

    What is loaded already stays what it is. Afterwards nobody finds a stand-in but those who took one.
    """
    for name in names:
        library, _, part = name.partition(".")
        if library in sys.modules:
            continue
        sys.modules[library] = sys.modules[name] = stand_in = Later(name)
        if part:
            sys.modules[library] = parent = Later(library)
            setattr(parent, part, stand_in)
    try:
        yield
    finally:
        _withdraw()


def _withdraw() -> None:
    for name in [name for name, module in list(sys.modules.items()) if isinstance(module, Later)]:
        sys.modules.pop(name, None)
