"""HTTP interface: health, chat, admin."""
