"""Partitions by time: which tables have them, what is due, and making them."""

from schema.partitions.layout import LAYOUTS, Layout, Partitioned, Span, period_of, span_from
from schema.partitions.manager import Outcome, ensure_partitions, maintain, planned
from schema.partitions.plan import Action, Found, due

__all__ = [
    "LAYOUTS",
    "Action",
    "Found",
    "Layout",
    "Outcome",
    "Partitioned",
    "Span",
    "due",
    "ensure_partitions",
    "maintain",
    "period_of",
    "planned",
    "span_from",
]
