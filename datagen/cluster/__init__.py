"""The Ray service: a session, actors that make shards, and the pool the driver's loop leases them to."""
