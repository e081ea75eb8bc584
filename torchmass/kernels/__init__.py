"""How a run is computed: what it is (`plan`), its meaning (`eager`), and faster ways to the same numbers."""
