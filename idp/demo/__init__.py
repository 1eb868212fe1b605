"""The demonstration: provider, relying party and mailbox on one machine, started by `idp demo`."""
