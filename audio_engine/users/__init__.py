"""Knowing the users: profiles, what circles prefer, tiers, and personas, from a play log that keeps growing."""
