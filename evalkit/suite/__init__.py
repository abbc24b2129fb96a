"""Files to nouns: suites, datasets, prompts, with the file and line of everything that is wrong."""
