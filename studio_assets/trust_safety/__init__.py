"""Trust and safety: what a member's report is about and how grave it is, as a suggestion to staff."""
