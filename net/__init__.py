"""How flywheel's own servers, of the page and of the champion, listen: where, to whom, under which names, and until when."""

from ._address import LOOPBACK_NAMES, is_loopback, name_of, read_token
from ._listen import listen
from ._signals import Told, run_until_signal

__all__ = ["LOOPBACK_NAMES", "Told", "is_loopback", "listen", "name_of", "read_token", "run_until_signal"]
