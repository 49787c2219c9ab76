"""WeChat Work: the webhook of a group (消息推送), push only."""
