"""The commands of a campaign, one module each."""
