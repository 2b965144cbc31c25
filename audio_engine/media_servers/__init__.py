"""Media servers (Navidrome, Jellyfin, any that speaks Subsonic's API): their libraries linked to the catalogue."""
