"""Tools without any business in them: time, HTTP, retries, rates, circuit breakers, redaction."""
