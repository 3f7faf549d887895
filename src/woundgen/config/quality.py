"""Settings of the quality filter and of the grades printed with metrics."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from woundgen.config.strict import STRICT


class QualityConfig(BaseModel):
    """The quality filter and the grades printed with metrics (configs/quality_thresholds.yaml)."""

    model_config = STRICT

    policy: Literal["calibrated", "spec", "report"] = Field(
        "calibrated",
        description="calibrated: a joint rule from real against real; spec: the approved plan's; report: keep all",
    )
    ssim_minimum: float = Field(0.70, ge=-1, le=1, description='spec: SSIM to the set must be above it; grade "good"')
    lpips_maximum: float = Field(
        0.30, ge=0, description='spec: perceptual distance to the set must be below it; grade "good"'
    )
    ssim_excellent: float = Field(0.80, ge=-1, le=1, description='grade "excellent"')
    lpips_excellent: float = Field(0.20, ge=0, description='grade "excellent"')
    fid_good: float = Field(50.0, gt=0, description='grade "good": FID below it')
    fid_excellent: float = Field(30.0, gt=0, description='grade "excellent": FID below it')
    is_good: float = Field(2.0, gt=0, description='grade "good": inception score above it')
    is_excellent: float = Field(3.0, gt=0, description='grade "excellent": inception score above it')
    aggregation: Literal["max", "topk", "mean"] = Field(
        "topk", description="spec: similarity to a set is the best match, the mean of the k nearest, or the mean"
    )
    topk: int = Field(5, ge=1, description="k of aggregation: topk, and of the statistics of the calibrated rule")
    perceptual_network: Literal["auto", "lpips-vgg", "lpips-alex", "embedded"] = Field(
        "auto",
        description="perceptual distance of screening; auto: lpips-alex or lpips-vgg where fetched, else embedded",
    )
    embedding_network: Literal["auto", "dinov2-small", "dinov2-base", "dinov2-large", "embedded"] = Field(
        "auto", description="feature distance of screening; auto: the first DINOv2 that was fetched, else embedded"
    )
    acceptance: float = Field(0.95, gt=0.5, lt=1, description="share of real photographs the calibrated rule accepts")
    copy_quantile: float = Field(
        0.99,
        gt=0.5,
        lt=1,
        description="share of photographs of other scenes that the copy ceiling is not to call copies",
    )

    @model_validator(mode="after")
    def _ordered(self) -> QualityConfig:
        if self.ssim_excellent < self.ssim_minimum:
            raise ValueError("ssim_excellent is below ssim_minimum")
        if self.lpips_excellent > self.lpips_maximum:
            raise ValueError("lpips_excellent is above lpips_maximum")
        if self.fid_excellent > self.fid_good:
            raise ValueError("fid_excellent is above fid_good")
        if self.is_excellent < self.is_good:
            raise ValueError("is_excellent is below is_good")
        return self
