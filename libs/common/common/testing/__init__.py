"""What every service's tests stand on: real servers, fresh schemas, made-up sisters and signed users."""
