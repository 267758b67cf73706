"""The values and the roles that everything else is written in. Standard library only."""
