"""What every Stoa service needs and no service owns."""
