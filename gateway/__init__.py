"""Tillgate: nouns in `domain`, verbs in `center`, foreign tongues in `channels`, tools in
`adapters`, doors in `web`, clocks in `workers`, hands in `cli`, a pretend world in `sandbox`.
Imports only go down. Money only moves in a `Change`."""
