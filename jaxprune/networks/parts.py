"""Parts of networks for programs that read a user's: the leak that it is given, and how, in words."""

from jaxprune.networks._added_leak import AddedLeak, add_leak, leaks_of

__all__ = ["AddedLeak", "add_leak", "leaks_of"]
