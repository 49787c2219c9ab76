"""What the bot does when spoken to."""
