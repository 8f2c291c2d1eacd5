"""Finance: what the portal sold held against the money Stripe moved, row by row and to the cent."""
