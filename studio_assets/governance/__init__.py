"""Proposals and the audit log as facts: observed, checked, and red when something does not hold."""
