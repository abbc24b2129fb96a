"""Plan, execute, grade."""
