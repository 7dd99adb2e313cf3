"""From files of a release, or a simulation, to a raw bundle."""
