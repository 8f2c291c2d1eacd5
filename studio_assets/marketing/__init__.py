"""Marketing: drafts made of facts only. Nothing here publishes anything; people read, approve and post."""
