"""DingTalk: internal app with a robot."""
