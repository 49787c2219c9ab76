"""What the bot knows: metrics and their Chinese parser, diagnosis, the knowledge base, calendar, weather, LLM."""
