"""Distillation: a small network learns to expect, from the encoder's fixed features, what larger networks say."""
