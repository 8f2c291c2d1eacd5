"""Great Expectations suites as asset checks, built from the contracts."""
