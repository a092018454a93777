"""How flywheel's own servers, of the page and of the champion, listen: where, to whom, and under which names."""

from ._address import LOOPBACK_NAMES, is_loopback, name_of, read_token
from ._listen import listen

__all__ = ["LOOPBACK_NAMES", "is_loopback", "listen", "name_of", "read_token"]
