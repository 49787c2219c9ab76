"""What the bot remembers: models, engine, migrations, seed data, inbox and outbox rows."""
