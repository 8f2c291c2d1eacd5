"""The advisory locks that sessions of the ledger and the functions of the database take together.

Each is the two-number form, ``pg_advisory_xact_lock(<class>, hashtext(<studio id>))``: one lock of each class
for a studio, freed when the transaction ends. Whoever takes several takes rows first, then the switch, then
the audit log's head; nobody waits in a circle.
"""

from typing import Final

# "STSW": shared while a target is being called, exclusive while the switch changes.
SWITCH_LOCK: Final = 0x5354_5357
# "STAU": held from the appending of an event to the end of its transaction; append_audit_v1 takes it.
AUDIT_LOCK: Final = 0x5354_4155
