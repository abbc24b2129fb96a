"""The one exception of the statistical core.

``StatsError`` is a ``ValueError``: the numbers handed in cannot be analysed (not finite, wrong shape, outside
the declared range). Data that can be analysed but prove nothing are no error: the result carries a reason
instead.
"""

__all__ = ["StatsError"]


class StatsError(ValueError):
    """The input cannot be analysed; the message names the offending value."""
