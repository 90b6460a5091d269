"""From the parts' times to what a user waits and a server delivers."""
