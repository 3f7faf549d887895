"""Shared parts of the browser pages: a durable journal, a guard around requests, serving on the loopback address."""
