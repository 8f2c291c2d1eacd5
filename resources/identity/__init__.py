"""Who somebody is: signed tokens in, verified identities and actors out."""
