"""What `/metrics` tells. Labels are small closed sets: never a person, a store, an address."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MESSAGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.updates = Counter(
            "daogou_updates_total",
            "Updates by platform and what became of them.",
            ["platform", "result"],
            registry=self.registry,
        )
        self.answers = Counter("daogou_answers_total", "Answers by intent.", ["intent"], registry=self.registry)
        self.answer_seconds = Histogram(
            "daogou_answer_seconds", "From claim to committed answer.", buckets=MESSAGE_SECONDS, registry=self.registry
        )
        self.sends = Counter(
            "daogou_sends_total",
            "Sends by platform, kind and outcome.",
            ["platform", "kind", "outcome"],
            registry=self.registry,
        )
        self.pushes = Counter("daogou_pushes_total", "Push rows queued, by kind.", ["kind"], registry=self.registry)
        self.missed_pushes = Counter(
            "daogou_missed_pushes_total",
            "Stores whose push came and expired while no process ran, by kind.",
            ["kind"],
            registry=self.registry,
        )
        self.executions = Counter(
            "daogou_executions_total", "Campaign launches by outcome.", ["outcome"], registry=self.registry
        )
        self.llm_failures = Counter(
            "daogou_llm_failures_total", "LLM calls answered by a template instead.", ["reason"], registry=self.registry
        )
        self.spooled = Gauge(
            "daogou_spooled", "Updates that wait in the local file for the database.", registry=self.registry
        )
        self.degraded = Gauge(
            "daogou_degraded",
            "1 while a shared service is gone and this process stands in.",
            ["service"],
            registry=self.registry,
        )
        self.ready = Gauge("daogou_ready", "1 once the server answers.", registry=self.registry)

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
