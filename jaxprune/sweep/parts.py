"""Parts of stores, for programs that put something of their own into one."""

from jaxprune.sweep._place import Place, is_url, local_path, place_at

__all__ = ["Place", "is_url", "local_path", "place_at"]
