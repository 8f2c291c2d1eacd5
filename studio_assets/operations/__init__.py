"""Operations: what of the studio's equipment wants a person's attention."""
