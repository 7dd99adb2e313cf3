"""The commands of a campaign in the lab; its folder is its whole state."""
