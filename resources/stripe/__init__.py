"""The door to Stripe: reads only, through a transport that refuses anything but GET."""
