"""A Firestore server in memory that the real client library talks to."""
