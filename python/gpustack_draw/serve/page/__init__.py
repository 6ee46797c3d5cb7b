"""The page of the server, for people: draws with the images API, and lists the pictures drawn."""
