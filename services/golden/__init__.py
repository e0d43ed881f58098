"""A server of exactly known latency: what the load generator is calibrated against. Raw HTTP/1.1 over epoll."""
