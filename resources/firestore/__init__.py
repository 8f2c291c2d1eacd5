"""The door to Firestore: reads only, complete or honest about not being so."""
