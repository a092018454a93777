"""What a format is: how a row of it is recognised, read and written."""

from abc import ABC, abstractmethod
from typing import ClassVar

from ._record import KIND_NAMES, CannotWrite, Record, Row


class Format(ABC):
    """One format of rows. Subclasses keep :meth:`parse` and :meth:`write` side by side, each the other's inverse.

    What :meth:`write` cannot say again (unknown columns, other spellings) need not be kept by :meth:`parse`: import
    compares the row with what ``write`` makes of it and keeps the difference.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """One line for people."""
    kinds: ClassVar[frozenset[str]]
    """The kinds of rows that it can hold: keys of :data:`~._record.KIND_NAMES`."""
    version: ClassVar[int] = 1

    @abstractmethod
    def fits(self, row: Row) -> float:
        """Return how much ``row`` looks like this format: 1 = its very columns, 0 = not at all."""

    @abstractmethod
    def parse(self, row: Row) -> Record:
        """Return the record that ``row`` spells.

        Raises:
            BadRow: it spells none.
        """

    @abstractmethod
    def write(self, record: Record) -> Row:
        """Return the row that spells ``record``.

        Raises:
            CannotWrite: the format has no place for something in it.
        """

    @property
    def parser(self) -> str:
        """What ``samples.parser`` says of rows that came through this format."""
        return f"import-{self.name}@{self.version}"

    def checked(self, record: Record) -> Row:
        """Return :meth:`write`'s row of a record of a kind that the format can hold.

        Raises:
            CannotWrite: it cannot.
        """
        if record.kind not in self.kinds:
            raise CannotWrite(f"{self.name} has no place for rows of this kind: {KIND_NAMES[record.kind]}")
        return self.write(record)
