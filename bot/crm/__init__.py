"""The CRM on the wire: an httpx client, and the mock server of the demo."""
