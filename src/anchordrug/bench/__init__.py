"""The commands of a campaign at the bench; its folder is its whole state."""
