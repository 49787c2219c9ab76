"""Everything that touches a wire: server, platforms, card renderers, delivery, web pages, command line."""
