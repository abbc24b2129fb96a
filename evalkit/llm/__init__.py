"""Talking to models: wire types, providers, retry, limits, prices, prompts. Shared by the harness and the gateway."""
