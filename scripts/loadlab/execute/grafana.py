"""A Grafana on this machine: where it is, and how it is started to show the lab's boards on loopback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
PLACES = ("/usr/share/grafana", "/usr/local/share/grafana", "/opt/grafana")
HOW_TO_GET = (
    "Grafana is missing: install its package (grafana, 9 or newer, from Grafana's own repository for apt or rpm), or "
    "unpack its archive and set GRAFANA_HOME to the folder"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grafana:
    """argv: how its server is called; home: the folder with conf/ and public/."""

    argv: tuple[str, ...]
    home: Path


def find_grafana(environ: Mapping[str, str]) -> Grafana | None:
    """The one of GRAFANA_HOME, else of PATH or where packages put it; None when there is none."""
    told = environ.get("GRAFANA_HOME")
    folders = [Path(told)] if told else [Path(place) for place in PLACES]
    path = os.pathsep.join([*(str(one / "bin") for one in folders), *([] if told else [environ.get("PATH", "")])])
    for name, words in (("grafana", ("server",)), ("grafana-server", ())):
        program = shutil.which(name, path=path)
        if program is None:
            continue
        for home in (*folders, Path(program).resolve().parents[1]):
            if (home / "conf" / "defaults.ini").is_file():
                return Grafana(argv=(program, *words, f"--homepath={home}"), home=home)
    return None


def settings(folder: Path, port: int) -> Mapping[str, str]:
    """Its environment. Everybody of this machine may look, and there is nobody to log in as, so no password."""
    return {
        "GF_SERVER_HTTP_ADDR": HOST,
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_AUTH_BASIC_ENABLED": "false",
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_LOG_MODE": "console",
    }


def write_provisioning(folder: Path, *, sources: Path, prometheus_url: str) -> None:
    """The data source and the provider of ``grafana/provisioning``, with the addresses of this machine."""
    source = (sources / "provisioning" / "datasources" / "prometheus.yaml").read_text(encoding="utf-8")
    provider = (sources / "provisioning" / "dashboards" / "loadlab.yaml").read_text(encoding="utf-8")
    written = {
        "datasources/prometheus.yaml": source.replace("http://prometheus:9090", prometheus_url),
        "dashboards/loadlab.yaml": provider.replace("/var/lib/loadlab/dashboards", str(sources / "dashboards")),
    }
    for name, text in written.items():
        path = folder / "provisioning" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
