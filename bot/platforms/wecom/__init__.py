"""WeChat Work: self-built app."""
