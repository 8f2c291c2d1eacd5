"""Entry point of ``python -m twins.firestore``."""

from twins.firestore.cli import main

if __name__ == "__main__":
    main()
