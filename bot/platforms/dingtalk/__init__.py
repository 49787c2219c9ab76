"""DingTalk: one internal app with a robot, received by Stream, answered by session webhook, robot API and cards."""
