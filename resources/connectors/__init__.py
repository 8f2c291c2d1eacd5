"""What stands around every connector: deadlines, retries, the circuit breaker, records and redaction."""
