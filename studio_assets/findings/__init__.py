"""What the findings of all departments have alike: how one is made, and how an asset tells of them."""
