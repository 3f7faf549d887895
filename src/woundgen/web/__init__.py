"""What the browser pages share: a durable journal, a guard around requests, and serving on the loopback address."""
