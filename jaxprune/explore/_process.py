"""How the process computes that makes the page: in double precision, and with one thread for linear algebra."""

from contextlib import AbstractContextManager


def prepare() -> None:
    """Set both for the rest of the process, as the command line does."""
    import jax

    jax.config.update("jax_enable_x64", True)
    one_thread()


def one_thread() -> AbstractContextManager:
    """One thread for linear algebra: at these sizes two wait for each other, and for those of JAX, longer than they compute.

    Returns:
      Set already; where it ends as a context, threads are as they were.
    """
    import scipy.linalg  # noqa: F401 - what is not loaded yet cannot be limited
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
