"""The advisory locks that sessions of the ledger and the functions of the database take together.

Each is the two-number form, ``pg_advisory_xact_lock(<class>, hashtext(<studio id>))``: one lock of each class
for a studio, freed when the transaction ends. Whoever takes several takes rows first, then the switch, then
the audit log's head; nobody waits in a circle.
"""

from typing import Final

SWITCH_LOCK: Final = 0x5357  # "SW": shared while a target is being called, exclusive while the switch changes
AUDIT_LOCK: Final = 0x4155  # "AU": held from the appending of an event to the end of its transaction
