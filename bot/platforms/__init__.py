"""One package per platform: verify, decode, send."""
