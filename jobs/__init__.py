"""What the bot does by itself: one file per push, the schedule behind them."""
