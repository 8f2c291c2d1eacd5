"""What every connector promises, as checks that run anywhere: in CI on twins, and on a user's own devices.

On real devices no trouble is caused and no command is sent; promises that need either are skipped.
"""
