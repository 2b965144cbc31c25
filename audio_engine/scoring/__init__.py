"""What a track is worth by its plays: smoothed rates, cooling, trends, exploration of new tracks, popularity debias."""
