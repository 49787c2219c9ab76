"""What the bot does when spoken to; the list of handlers is in `handlers.every`."""
