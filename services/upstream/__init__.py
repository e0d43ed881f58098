"""The slow third party that the services call: latency, errors and a quota as told; raw ASGI."""
