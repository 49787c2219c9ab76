"""DingTalk's custom group robots (群自定义机器人): an address per group that takes messages and hears nothing."""
