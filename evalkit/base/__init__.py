"""What every layer stands on: errors, frozen models, hashing, ids, clock, positions in files, redaction."""
