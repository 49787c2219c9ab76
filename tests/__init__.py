"""Tests, in three tiers: unit, scenarios, process."""
