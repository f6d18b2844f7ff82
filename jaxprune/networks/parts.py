"""Parts of networks for programs that read a user's: the leak that it has or is given, and how, in words."""

from jaxprune.networks._added_leak import WithLeak, choose_leak, count_synapses, with_leak

__all__ = ["WithLeak", "choose_leak", "count_synapses", "with_leak"]
