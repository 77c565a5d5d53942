"""A caller that speaks into a room and measures, records and recognises what it hears there."""
