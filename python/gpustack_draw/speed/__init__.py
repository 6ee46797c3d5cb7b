"""How long a drawing takes: from measurements of this machine, or from its speed."""
