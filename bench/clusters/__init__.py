"""Three databases and three brokers in the place of one each, on one machine, to see what a dead node costs."""
