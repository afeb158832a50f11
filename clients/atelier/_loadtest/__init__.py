"""The load test: how many requests a second a server holds, and at which latency."""
