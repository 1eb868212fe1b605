"""What we send to people: the outbox, what messages say, and the relays that take them."""
