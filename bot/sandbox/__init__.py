"""The demo stage: phones in a browser behind pretend WeCom and DingTalk clouds."""
