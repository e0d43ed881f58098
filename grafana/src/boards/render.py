"""Boards as text: the same input gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from boards import capacity, cost, generator, memory, threshold


def render_all() -> Mapping[str, str]:
    """File name to classic dashboard JSON."""
    boards = [module.board().build() for module in (threshold, memory, cost, generator, capacity)]
    return {
        f"{board.uid}.json": json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True) + "\n" for board in boards
    }
