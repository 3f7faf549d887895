"""The texts of the prompt strategies."""

from __future__ import annotations

MEDICAL_PROMPTS = {
    "I": "Medical photograph of diabetic foot ulcer in inflammatory phase, showing redness, swelling, "
    "acute inflammation, wound edges, clinical documentation, high detail",
    "P": "Medical photograph of diabetic foot ulcer in proliferative phase, showing granulation tissue, "
    "wound edges, clinical documentation, high detail",
    "R": "Medical photograph of diabetic foot ulcer in remodeling phase, showing wound contraction, "
    "epithelialization, scar tissue, mature healing, clinical documentation, high detail",
}
MEDICAL_NEGATIVE = (
    "blurry, low quality, healthy skin, cartoon, artificial, watermark, text, smooth texture, unrealistic colors"
)
SHORT_PROMPT = "photograph of a wound"
