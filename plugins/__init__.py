"""Code that users may add: found by a name, an entry point, a file or a module; and the options that it takes."""

from ._find import PluginKind, find_plugin, load_user_module
from ._options import REQUIRED, Optioned, complete_options, find_nearest

__all__ = ["REQUIRED", "Optioned", "PluginKind", "complete_options", "find_nearest", "find_plugin", "load_user_module"]
