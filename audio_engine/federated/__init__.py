"""The first day of a user: a federated model trained by two processes, ours and a partner's."""
