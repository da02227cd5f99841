"""Which ringmain this is.

The OpenAPI document and the metrics enter.
"""

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """Its version; empty where it runs without being installed."""
    try:
        return version("ringmain")
    except PackageNotFoundError:
        return ""
