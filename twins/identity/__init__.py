"""The pretend issuer of identities: its own keys, its accounts, and tokens shaped like Firebase's."""
