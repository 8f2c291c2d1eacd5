"""The advisory locks that sessions of the ledger and the functions of the database take together.

Each is the two-number form, ``pg_advisory_xact_lock(<class>, hashtext(<studio id>))``: one lock of each class
for a studio, freed when the transaction ends. Whoever takes several locks the proposal first, then quotas or
the attempt, then the switch, then the head of the audit log: nobody waits in a circle.
"""

from typing import Final

# "STSW": shared while a target is being called, exclusive while the switch changes.
SWITCH_LOCK: Final = 0x5354_5357
# "STAU": held from the appending of an event to the end of its transaction; append_audit_v1 takes it.
AUDIT_LOCK: Final = 0x5354_4155
# "STQU": held by whoever uses a quota that nobody has used before, while its row is made.
QUOTA_LOCK: Final = 0x5354_5155
