"""From decoded photographs to prepared pixels: crops, masks, augmentation, near duplicates."""
