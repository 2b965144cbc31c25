"""Cross-domain recall: who has taste in one kind of content is given another, of which little has been played."""
