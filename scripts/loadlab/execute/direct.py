"""HTTP to this machine itself: whatever proxies the environment names, none stands in between."""

from __future__ import annotations

import urllib.request

open_direct = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
"""As urllib.request.urlopen, which takes http_proxy for loopback addresses too unless no_proxy names them."""
