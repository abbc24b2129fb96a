"""One module a kind of endpoint, each behind :class:`evalkit.llm.model.ChatModel`."""
