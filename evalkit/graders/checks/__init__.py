"""The deterministic graders, one family a module."""
