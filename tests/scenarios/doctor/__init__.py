"""What `daogou doctor` finds, against servers on loopback that answer as a bad day does."""
